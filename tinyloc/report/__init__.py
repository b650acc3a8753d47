"""The report: what is known of Programs as plain facts (`document.collect`), and a page of these facts (`page.render`).

A section is a row of `sections.SECTIONS`: what it collects, what its picture needs, its block in `templates/sections`, its
definition in `schema.json`.  The page is a function of the facts alone, so that facts of before can be rendered again.
"""
