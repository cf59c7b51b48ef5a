"""Files of older candidates, as large as a test or a bench wants."""

import csv
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from pathlib import Path

from zikao_registration.domain.documents import check_character

HEADER = (
    "ticket_number,document_type,document_number,name,sex,county_code,track,major_code,mobile,"
    "photo,has_account"
)
FIRST_BIRTH = date(1960, 1, 1)
BIRTHS = 15_000
SURNAMES, GIVEN = "赵钱孙李周吴郑王冯陈", "一伟芳娜敏静丽强磊军"


def csv_number(number: int) -> str:
    """A ticket number of an earlier session, for every number below a million."""
    return f"0104{number // 100_000 + 110:03}{number % 100_000:05}"


def csv_document(number: int) -> str:
    """A man's resident id, another for every number below seven million."""
    born = FIRST_BIRTH + timedelta(days=number % BIRTHS)
    first = f"510104{born:%Y%m%d}{2 * (number // BIRTHS) + 1:03}"
    return first + check_character(first)


def csv_row(number: int, *, photo: str = "", has_account: bool = False) -> list[str]:
    """A row in the order of HEADER."""
    name = SURNAMES[number % 10] + GIVEN[number // 10 % 10]
    fixed = ["男", "510104", "面向社会", "W020119", "13812345678", photo]
    document = ["居民身份证", csv_document(number), name]
    return [csv_number(number), *document, *fixed, "是" if has_account else ""]


def write_csv(
    path: Path,
    rows: int,
    *,
    encoding: str = "utf-8",
    make: Callable[[int], list[str]] = csv_row,
) -> Path:
    """A file of so many rows, numbered from 0 in line 2."""
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER.split(","))
        writer.writerows(make(number) for number in range(rows))
    return path


def write_photos(folder: Path, photos: Iterable[bytes]) -> list[str]:
    """Photos beside those that are in a folder; return their names."""
    folder.mkdir(exist_ok=True)
    names = []
    for number, jpeg in enumerate(photos, len(list(folder.iterdir()))):
        names.append(f"{number:05}.jpg")
        (folder / names[-1]).write_bytes(jpeg)
    return names
