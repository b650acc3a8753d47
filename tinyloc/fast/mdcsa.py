from tinyloc.reference.mdcsa import mdcsa, mdcsa_backward

__all__ = ["mdcsa", "mdcsa_backward"]
