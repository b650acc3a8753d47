"""What the paper prints: Tables 4 to 8 of Suwannaphong, Jovan, Craddock, McConville, "Optimising TinyML with quantization
and distillation of transformer and mamba models for indoor localisation on edge devices", Sci. Rep. 15:10081 (2025),
CC BY 4.0, doi 10.1038/s41598-025-94205-9; and its teachers.  One run each: it gives no spread."""

from __future__ import annotations

from dataclasses import dataclass

CITE = "Suwannaphong et al., Sci. Rep. 15:10081 (2025)"
COLUMNS = ("baseline", "static", "dynamic", "distilled", "distilled + static")
SETS = {"A": "house A", "B": "house B", "C": "house C", "D": "house D", "UJI": "UJIIndoorLoc"}
SHAPES = {"A": (8, 4), "B": (11, 11), "C": (11, 9), "D": (11, 10), "UJI": (520, 59)}  # access points, rooms

# House, or UJIIndoorLoc; budget; model; and in each column macro-F1 in %, accuracy in %, checkpoint in KB of 1,000 bytes.
# The paper prints 5,020 parameters for Mamba H2L1 on UJIIndoorLoc; its other counts make that 5,013.
TABLES = """
set  KB   preset      params   baseline          static            dynamic           distilled         distilled + static
A    <64  mdcsa-h16l1 10,588   84.20 97.73  64   84.36 97.57  44   83.15 97.15  43   82.84 97.52  64   82.86 97.63  44
A    <64  mamba-h32l1 10,392   82.71 98.01  47   79.05 96.59  26   82.18 97.74  25   77.27 97.14  47   77.32 97.05  26
A    <32  mdcsa-h8l1   2,812   83.33 97.74  27   83.89 97.93  26   84.76 97.27  25   76.93 96.04  27   76.88 95.99  26
A    <32  mamba-h8l1   1,432   80.49 96.44  12   79.41 97.27  12   80.46 97.77  12   82.73 97.76  12   82.95 97.78  12
B    <64  mdcsa-h16l1 10,874   74.14 82.11  65   73.84 81.90  44   74.11 81.06  43   74.56 82.02  65   73.98 81.68  44
B    <64  mamba-h16l2  7,263   72.09 79.90  38   70.27 78.60  29   70.71 79.87  28   71.33 80.19  38   71.24 80.12  29
B    <32  mdcsa-h8l1   3,018   67.52 77.02  28   67.75 76.95  26   67.11 76.21  25   69.12 79.19  28   69.19 79.43  26
B    <32  mamba-h8l1   1,631   72.28 80.74  12   72.71 80.71  13   71.73 79.91  13   72.73 79.94  12   72.79 79.96  13
C    <64  mdcsa-h16l1 10,796   83.42 94.84  65   83.44 94.75  44   83.64 94.03  43   83.38 95.19  65   83.22 95.10  44
C    <64  mamba-h32l1 10,723   79.12 93.60  49   79.14 93.62  26   75.46 93.50  25   77.64 93.15  49   77.75 93.12  26
C    <32  mdcsa-h8l1   2,956   72.91 90.87  28   73.20 91.07  26   73.17 90.70  25   78.13 92.45  28   78.51 92.52  26
C    <32  mamba-h8l1   1,571   78.64 93.37  12   78.59 93.35  13   77.06 93.28  13   80.60 93.44  12   77.96 93.47  13
D    <64  mdcsa-h16l1 10,834   75.68 90.56  65   75.68 90.53  44   75.71 90.41  43   74.74 89.79  65   74.82 89.84  44
D    <64  mamba-h32l1 10,776   71.85 89.17  49   72.33 89.02  26   69.89 88.96  25   71.05 88.53  49   70.98 88.46  26
D    <32  mdcsa-h8l1   2,986   63.78 83.45  28   63.55 83.47  26   64.10 83.40  25   66.13 83.42  28   66.04 83.47  26
D    <32  mamba-h16l1  3,848   72.38 89.12  21   73.17 89.13  16   70.03 89.01  16   72.00 88.65  21   71.96 88.54  16
UJI  >64  mdcsa-h16l1 23,290   45.81 63.37 115   46.00 19.05  68   45.95 63.52  67   48.18 65.50 115   48.40 18.60  68
UJI  <64  mamba-h32l1 32,111   70.02 82.97 134   61.25 78.08  58   69.80 77.35  95   71.51 83.65 134   62.10 78.49  58
UJI  <64  mdcsa-h8l1  10,978   19.62 33.30  60   19.63  9.42  45   19.40 32.97  44   17.49 30.87  60   17.32  9.78  45
UJI  <64  mamba-h8l2  10,847   63.27 79.06  52   56.28 72.37  40   61.45 72.12  46   63.60 78.49  52   53.65 71.72  40
UJI  <64  mamba-h8l1   9,543   62.62 77.57  44   53.47 71.08  31   60.50 70.22  37   64.00 78.74  44   55.19 72.57  31
UJI  <32  mamba-h4l1   6,475   44.56 67.21  31   39.88 61.96  27   43.76 61.02  29   41.99 66.25  31   36.14 59.77  27
UJI  <32  mamba-h2l1   5,020    9.16 31.47  25    8.90 29.30  26    9.22 28.89  25    9.79 31.76  26    9.02 30.53  26
"""
# Teachers, chosen by validation F1: house, model, that F1 in %, checkpoint in KB, parameters.
TEACHERS = """
A    mamba-h32l4   96.59     177     40,248
B    mamba-h32l2   88.00      92     20,783
C    mamba-h64l4   88.88     545    132,259
D    mamba-h64l4   89.20     545    132,344
UJI  mamba-h128l1  94.62     783    194,447
A    mdcsa-h256l1  98.31  10,436  2,565,148
B    mdcsa-h256l1  94.57  10,447  2,567,834
C    mdcsa-h256l1  94.79  10,445  2,567,276
D    mdcsa-h256l1  96.62  10,445  2,567,554
UJI  mdcsa-h256l3  97.52  39,400  9,802,058
"""


@dataclass(frozen=True)
class Printed:
    """A row of the tables: macro-F1 and accuracy in %, KB of the checkpoint, a triple a column."""

    data: str
    budget: str
    preset: str
    parameters: int
    columns: dict[str, tuple[float, float, float]]


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def _row(line: str) -> Printed:
    data, budget, preset, parameters, *rest = line.split()
    cells = [_number(v) for v in rest]
    triples = [(cells[i], cells[i + 1], cells[i + 2]) for i in range(0, len(cells), 3)]
    return Printed(data, budget, preset, int(_number(parameters)), dict(zip(COLUMNS, triples, strict=True)))


def printed() -> list[Printed]:
    """All rows, in the paper's order."""
    return [_row(line) for line in TABLES.strip().splitlines()[1:]]


def teachers() -> list[tuple[str, str, float, float, int]]:
    """(house, preset, validation macro-F1 in %, KB, parameters)."""
    rows = (line.split() for line in TEACHERS.strip().splitlines())
    return [(data, preset, _number(f1), _number(kb), int(_number(n))) for data, preset, f1, kb, n in rows]
