"""Reads workbooks that are made to take long or to fill the memory, and prints what they take.

    PYTHONPATH=.:tests:tests/fixtures:tests/benchmarks python tests/attacks/workbooks.py [KIND …]

Every file is read in a process of its own, beside a thread that only wants to wake every 5 ms, as
the threads do that save ratings. Ends with 1 when a bar is missed.
"""

import io
import json
import random
import re
import struct
import subprocess
import sys
import tempfile
import threading
import time
import warnings
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

from openpyxl import Workbook

from medchat.errors import BadInput
from medchat.files.spreadsheet import read_table

MAX_SECONDS = 8.0
"""Of one processor. How long it takes in all depends on who else works on the machine."""
MAX_MIB = 300.0
MAX_LATENESS_MS = 50.0
"""Of 95 in 100 wake-ups, beyond what they were late before: others may use the machine."""

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
SHEET = "xl/worksheets/sheet1.xml"
STRINGS = "xl/sharedStrings.xml"
STYLES = "xl/styles.xml"
HEADER = '<row r="1"><c r="A1" t="inlineStr"><is><t>question</t></is></c></row>'
LAST = 1_048_576

Parts = dict[str, str | bytes]


def parts(sheet: str = "", *, sheets: int = 1) -> Parts:
    """The parts of a workbook; ``sheet`` stands within the first sheet's ``sheetData``."""
    listed = "".join(
        f'<sheet name="s{n}" sheetId="{n}" r:id="r{n}"/>' for n in range(1, sheets + 1)
    )
    related = "".join(
        f'<Relationship Id="r{n}" Type="{OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>'
        for n in range(1, sheets + 1)
    )
    own = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
    return {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types">'
        f'<Override PartName="/xl/workbook.xml" ContentType="{own}"/>'
        f'<Override PartName="/{STYLES}" ContentType="{own.replace("sheet.main", "styles")}"/>'
        f'<Override PartName="/{STRINGS}" ContentType="'
        f'{own.replace("sheet.main", "sharedStrings")}"/>'
        + "".join(
            f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="'
            f'{own.replace("sheet.main", "worksheet")}"/>'
            for n in range(1, sheets + 1)
        )
        + "</Types>",
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" '
        f'Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>{listed}</sheets>'
        "</workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">{related}'
        f'<Relationship Id="s1" Type="{OFFICE}/styles" Target="styles.xml"/>'
        f'<Relationship Id="s2" Type="{OFFICE}/sharedStrings" Target="sharedStrings.xml"/>'
        "</Relationships>",
        STYLES: f'<styleSheet xmlns="{MAIN}"><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/>'
        "</cellXfs></styleSheet>",
        STRINGS: f'<sst xmlns="{MAIN}"><si><t>question</t></si><si><t>头疼</t></si></sst>',
        **{
            f"xl/worksheets/sheet{n}.xml": worksheet(sheet if n == 1 else "")
            for n in range(1, sheets + 1)
        },
    }


def worksheet(rows: str, behind: str = "") -> str:
    return f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData>{behind}</worksheet>'


def packed(contents: Parts, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return file.getvalue()


def changed(name: str, change: Callable[[str], str]) -> bytes:
    contents = parts(HEADER + row(2, "A", text="头疼"))
    contents[name] = change(str(contents[name]))
    return packed(contents)


def within(name: str, tag: str, inside: str) -> bytes:
    """The workbook with something more right behind a start tag of one of its parts."""
    return changed(name, lambda content: re.sub(f"<{tag}[^>]*>", lambda m: m[0] + inside, content))


def row(number: int, *columns: str, text: str = "") -> str:
    cells = "".join(
        f'<c r="{column}{number}" t="inlineStr"><is><t>{text}</t></is></c>'
        if text
        else f'<c r="{column}{number}" s="1"/>'
        for column in columns
    )
    return f'<row r="{number}">{cells}</row>'


def table(rows: Iterable[str]) -> bytes:
    return packed(parts(HEADER + "".join(rows)))


def letters(column: int) -> str:
    name = ""
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(65 + rest) + name
    return name


ALL_COLUMNS = [letters(column) for column in range(1, 16_385)]


# -- what is refused, or read for what it holds --


def texts_in_the_last_column() -> bytes:
    return table(row(n, "A", "XFD", text="头疼") for n in range(2, 20_001))


def styled_cells_in_the_last_column() -> bytes:
    rows = (row(n, "XFD") + row(n + 1, "A", text="头疼") for n in range(2, 30_001, 2))
    return table(rows)


def rows_far_apart() -> bytes:
    return table(row(n, "A", text="头疼") for n in range(2, LAST, 60))


def one_row_at_the_end() -> bytes:
    return table([row(LAST, "XFD", text="头疼")])


def empty_rows() -> bytes:
    return table(f'<row r="{n}"/>' for n in range(2, LAST))


def empty_cells() -> bytes:
    return table(['<row r="2">' + "<c/>" * 45_000_000 + "</row>"])


def full_rows_of_styled_cells() -> bytes:
    return table(row(n, *ALL_COLUMNS) for n in range(2, 260))


def header_of_all_columns() -> bytes:
    rows = [row(1, *ALL_COLUMNS, text="x"), *(row(n, "A", text="x") for n in range(2, 20_001))]
    return packed(parts("".join(rows)))


def empty_header_of_all_columns() -> bytes:
    first = row(1, *ALL_COLUMNS).replace('<c r="A1" s="1"/>', cell_of_header())
    return packed(parts(first + "".join(row(n, "A", text="x") for n in range(2, 20_001))))


def cell_of_header() -> str:
    return HEADER.removeprefix('<row r="1">').removesuffix("</row>")


def errors_in_all_columns() -> bytes:
    rows = (row(n, *ALL_COLUMNS).replace('s="1"/>', 't="e"/>') for n in range(2, 100))
    return table(rows)


def formulas() -> bytes:
    cells = "".join(f'<c r="{column}2"><f>1+1</f><v>2</v></c>' for column in ALL_COLUMNS[:90])
    rows = (
        f'<row r="{n}">{cells.replace("2" + chr(34), str(n) + chr(34))}</row>'
        for n in range(2, 20_001)
    )
    return table(rows)


def shared_formulas() -> bytes:
    cell = '<c><f t="shared" si="0" ref="A1:XFD1048576">SUM(A1:XFD1048576)</f></c>'
    return table(f'<row r="{n}">{cell * 20}</row>' for n in range(2, 20_001))


def empty_shared_strings() -> bytes:
    return within(STRINGS, "sst", "<si/>" * 39_000_000)


def short_shared_strings() -> bytes:
    dice = random.Random(1)
    return within(STRINGS, "sst", "".join(f"<si><t>{dice.random()}</t></si>" for _ in range(10**6)))


def wide_shared_strings() -> bytes:
    return within(STRINGS, "sst", ("<si><t>" + "x" * 30_000 + "😀</t></si>") * 6_500)


def one_shared_string_in_all_cells() -> bytes:
    cells = '<c t="s"><v>0</v></c>' * 50
    contents = parts(HEADER + "".join(f'<row r="{n}">{cells}</row>' for n in range(2, 20_001)))
    contents[STRINGS] = f'<sst xmlns="{MAIN}"><si><t> {"药" * 32_000} </t></si></sst>'
    return packed(contents)


def one_long_text() -> bytes:
    return table([row(2, "A", text="x" * 190_000_000 + "😀")])


def long_texts() -> bytes:
    return table(row(n, "A", text="x" * 32_000 + "😀") for n in range(2, 6_000))


def rich_text_in_runs() -> bytes:
    run = "<r><rPr><sz/><color/><rFont/></rPr><t>x</t></r>"
    return within(STRINGS, "sst", "<si>" + run * 4_000_000 + "</si>")


def phonetic_runs() -> bytes:
    return within(STRINGS, "sst", "<si>" + "<rPh><t>x</t></rPh>" * 9_000_000 + "</si>")


def styles() -> bytes:
    return within(STYLES, "cellXfs", '<xf numFmtId="14"><alignment/></xf>' * 5_000_000)


def fonts() -> bytes:
    return within(STYLES, "styleSheet", "<fonts>" + "<font><sz/></font>" * 10_000_000 + "</fonts>")


def number_formats() -> bytes:
    code = "[" * 100_000
    return within(
        STYLES,
        "styleSheet",
        "<numFmts>"
        + "".join(f'<numFmt numFmtId="{n}" formatCode="{code}"/>' for n in range(164, 1_800))
        + "</numFmts>",
    )


def _with_number_formats(codes: Iterable[str], cell_formats: int = 0) -> bytes:
    listed = "".join(
        f'<numFmt numFmtId="{n}" formatCode="{code}"/>' for n, code in enumerate(codes, 164)
    )
    used = "".join(f'<xf numFmtId="{n % 4_000 + 164}"/>' for n in range(cell_formats))
    styles = f"<numFmts>{listed}</numFmts><cellXfs>{used}</cellXfs>"
    return within(STYLES, "styleSheet", styles)


def many_number_formats() -> bytes:
    return _with_number_formats(f"{n:0200}" for n in range(620_000))


def number_formats_that_are_searched_long() -> bytes:
    return _with_number_formats("[" * 250 + f"{n:05}" for n in range(65_000))


def as_many_number_formats_as_allowed() -> bytes:
    return _with_number_formats(("[" * 250 + f"{n:05}" for n in range(4_000)), 65_000)


def long_ids_of_number_formats() -> bytes:
    ids = "".join(f'<numFmt numFmtId="{"1" * 200_000}😀{n}"/>' for n in range(900))
    return within(STYLES, "styleSheet", f"<numFmts>{ids}</numFmts>")


def many_sheets() -> bytes:
    contents = parts(sheets=9_000)
    contents["xl/worksheets/sheet9000.xml"] = worksheet(HEADER + row(2, "A", text="x"))
    return packed(contents)


def one_large_sheet_named_often() -> bytes:
    contents = parts("<row/>" * 1_000_000)
    contents["xl/workbook.xml"] = str(contents["xl/workbook.xml"]).replace(
        "<sheets>", "<sheets>" + '<sheet name="x" r:id="r1"/>' * 100_000
    )
    return packed(contents)


def relationships() -> bytes:
    one = f'<Relationship Id="x%d" Type="{OFFICE}/worksheet" Target="../x%d"/>'
    many = "".join(one % (n, n) for n in range(1_300_000))
    return within("xl/_rels/workbook.xml.rels", "Relationships", many)


def long_targets_of_relationships() -> bytes:
    one = f'<Relationship Id="x%d" Type="{OFFICE}/worksheet" Target="../{"x" * 200_000}😀%d"/>'
    many = "".join(one % (n, n) for n in range(900))
    return within("xl/_rels/workbook.xml.rels", "Relationships", many)


def long_ids_of_sheets() -> bytes:
    many = "".join(f'<sheet name="x" r:id="{"r" * 200_000}😀{n}"/>' for n in range(900))
    return within("xl/workbook.xml", "sheets", many)


def content_types() -> bytes:
    return within("[Content_Types].xml", "Types", '<Default Extension="x" ContentType="y"/>' * 5**9)


def defined_names() -> bytes:
    names = "".join(f'<definedName name="n{n}">$A$1</definedName>' for n in range(2_000_000))
    return changed(
        "xl/workbook.xml",
        lambda content: content.replace(
            "</workbook>", f"<definedNames>{names}</definedNames></workbook>"
        ),
    )


def merged_cells() -> bytes:
    merged = '<mergeCells><mergeCell ref="A1:XFD1048576"/>' + '<mergeCell ref="A1:B2"/>' * 5_000_000
    return changed(
        SHEET,
        lambda content: content.replace("</worksheet>", f"{merged}</mergeCells></worksheet>"),
    )


def columns_before_the_rows() -> bytes:
    return within(
        SHEET, "worksheet", "<cols>" + '<col min="1" max="16384"/>' * 6_000_000 + "</cols>"
    )


def nesting() -> bytes:
    return within(SHEET, "sheetData", "<x>" * 25_000_000 + "</x>" * 25_000_000)


def entities() -> bytes:
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    kind = f'<!DOCTYPE x [<!ENTITY e0 "药">{levels}]>'
    return changed(SHEET, lambda content: kind + content.replace("头疼", "&e11;"))


def long_entity_named_often() -> bytes:
    kind = f'<!DOCTYPE x [<!ENTITY e "{"药" * 60_000}">]>'
    return changed(STRINGS, lambda content: kind + content.replace("头疼", "&e;" * 60_000))


def names_of_elements() -> bytes:
    return within(SHEET, "sheetData", "".join(f"<e{n}/>" for n in range(5_000_000)))


def attributes() -> bytes:
    many = " ".join(f'a{n}=""' for n in range(5_000_000))
    return within(SHEET, "sheetData", f"<row {many}/>")


def one_attribute() -> bytes:
    return within(SHEET, "sheetData", f'<row spans="{"1" * 190_000_000}"/>')


def long_tags() -> bytes:
    return within(SHEET, "sheetData", f'<row spans="{"1" * 260_000}"/>' * 700)


def comments() -> bytes:
    return within(SHEET, "sheetData", "<!---->" * 27_000_000)


def blanks() -> bytes:
    return within(SHEET, "sheetData", "\n" * 190_000_000)


def lines_in_a_text() -> bytes:
    return table([row(2, "A", text="\n" * 190_000_000)])


def character_references() -> bytes:
    return table(row(n, "A", text="&#10;" * 30_000) for n in range(2, 1_200))


def an_unread_part_as_large_as_allowed() -> bytes:
    contents = parts(HEADER + row(2, "A", text="头疼"))
    contents["xl/media/image1.bin"] = bytes(199_000_000)
    return packed(contents)


def a_part_beyond_what_is_allowed() -> bytes:
    contents = parts(HEADER + row(2, "A", text="头疼"))
    contents["xl/media/image1.bin"] = bytes(200_000_001)
    return packed(contents)


def a_part_that_understates_its_size() -> bytes:
    content = within(SHEET, "sheetData", " " * 400_000_000)
    size = struct.pack(
        "<L", len(worksheet(HEADER + row(2, "A", text="头疼")).encode()) + 400_000_000
    )
    return content.replace(size, struct.pack("<L", 1_000_000))


def zip64_of_another_size() -> bytes:
    content = within(SHEET, "sheetData", " " * 100_000_000)
    end = content.rindex(b"PK\x05\x06")
    zip64 = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 2**60, 2**60, 2**60, 2**40)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    return content[:end] + zip64 + locator + content[end:]


def entries() -> bytes:
    contents = parts(HEADER + row(2, "A", text="头疼"))
    contents |= {f"xl/{n}": b"" for n in range(180_000)}
    return packed(contents, zipfile.ZIP_STORED)


def entries_of_one_name() -> bytes:
    file = io.BytesIO(table([row(2, "A", text="头疼")]))
    with zipfile.ZipFile(file, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(1_000):
            archive.writestr(SHEET, worksheet(HEADER))
    return file.getvalue()


def another_method_of_packing() -> bytes:
    contents = parts(HEADER + row(2, "A", text="头疼"))
    return packed(contents, zipfile.ZIP_LZMA)


def digits() -> bytes:
    return table(
        f'<row r="{n}"><c r="A{n}"><v>{"9" * 4_299}</v></c></row>' for n in range(2, 20_001)
    )


def dates() -> bytes:
    return table(
        f'<row r="{n}">' + '<c s="1"><v>45352.3</v></c>' * 49 + "</row>" for n in range(2, 20_001)
    )


# -- what must be read --


def a_long_table() -> bytes:
    """20,000 questions with four long answers in Chinese, about 18 MB."""
    dice = random.Random(5)
    signs = [chr(code) for code in range(0x4E00, 0x5600)]
    phrases = ["".join(dice.choices(signs, k=dice.randrange(4, 12))) for _ in range(3_000)]
    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append(["id", "question", "llama", "huatuo", "chatglm", "medalpaca"])
    for number in range(20_000):
        answers = ["，".join(dice.choices(phrases, k=13)) for _ in range(4)]
        sheet.append([number, "".join(dice.choices(phrases, k=4)), *answers])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def a_long_table_with_its_texts_in_the_sheet() -> bytes:
    dice = random.Random(6)
    words = ["fever", "cough", "headache", "tablets", "daily", "physician", "blood", "pressure"]
    return packed(
        parts(
            row(1, "A", text="question")
            + "".join(
                row(n, "A", "B", "C", text=f"{n} {' '.join(dice.choices(words, k=90))}")
                for n in range(2, 20_002)
            )
        )
    )


def a_table_of_short_cells() -> bytes:
    names = ALL_COLUMNS[:25]
    header = "".join(
        f'<c r="{column}1" t="inlineStr"><is><t>c{column}</t></is></c>' for column in names
    )
    rows = "".join(
        f'<row r="{n}">' + "".join(f'<c r="{c}{n}"><v>{n}</v></c>' for c in names) + "</row>"
        for n in range(2, 19_000)
    )
    return packed(parts(f'<row r="1">{header}</row>{rows}'))


READABLE = (a_long_table, a_long_table_with_its_texts_in_the_sheet, a_table_of_short_cells)
HOSTILE = (
    *(texts_in_the_last_column, styled_cells_in_the_last_column, rows_far_apart),
    *(one_row_at_the_end, empty_rows, empty_cells, full_rows_of_styled_cells),
    *(header_of_all_columns, empty_header_of_all_columns, errors_in_all_columns, formulas),
    *(shared_formulas, empty_shared_strings, short_shared_strings, wide_shared_strings),
    *(one_shared_string_in_all_cells, one_long_text, long_texts, rich_text_in_runs),
    *(phonetic_runs, styles, fonts, number_formats, many_number_formats),
    *(number_formats_that_are_searched_long, as_many_number_formats_as_allowed),
    *(long_ids_of_number_formats, many_sheets, one_large_sheet_named_often),
    *(relationships, long_targets_of_relationships, long_ids_of_sheets),
    *(content_types, defined_names, merged_cells, columns_before_the_rows),
    *(nesting, entities, long_entity_named_often, names_of_elements, attributes, one_attribute),
    *(long_tags, comments, blanks, lines_in_a_text, character_references),
    *(an_unread_part_as_large_as_allowed, a_part_beyond_what_is_allowed),
    *(a_part_that_understates_its_size, zip64_of_another_size, entries, entries_of_one_name),
    *(another_method_of_packing, digits, dates),
)
KINDS = {make.__name__: make for make in (*READABLE, *HOSTILE)}


# -- measuring --


def memory_mib(field: str) -> float:
    """``VmRSS`` or ``VmHWM``, the most that it was, of this process."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"{field}:\s+(\d+)", status)[1]) / 1024


class Waker:
    """A thread that wants to wake every 5 ms, and notes by how many ms it is late."""

    def __init__(self) -> None:
        self._late: list[float] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._wake_often)

    def __enter__(self) -> "Waker":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def late(self, share: float) -> float:
        return sorted(self._late)[int(len(self._late) * share)]

    def _wake_often(self) -> None:
        while not self._done.is_set():
            started = time.perf_counter()
            time.sleep(0.005)
            self._late.append((time.perf_counter() - started - 0.005) * 1000)


def measure(file: Path) -> dict[str, object]:
    """Read a file in this process: seconds, MiB beyond what it had, lateness of a thread."""
    with Waker() as idle:
        time.sleep(1)
    before = memory_mib("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the most it ever was begins anew
    started, used = time.perf_counter(), time.thread_time()
    with Waker() as waker:
        try:
            outcome = f"{len(read_table(file).rows)} rows"
        except BadInput as error:
            outcome = str(error.code)
    return {
        "seconds": time.perf_counter() - started,
        "cpu": time.thread_time() - used,
        "mib": memory_mib("VmHWM") - before,
        "idle_ms": idle.late(0.95),
        "late_ms": waker.late(0.95),
        "outcome": outcome,
    }


def measured(file: Path) -> dict[str, object]:
    """``measure`` in a process of its own."""
    command = [sys.executable, __file__, "--measure", str(file)]
    output = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    return json.loads(output.stdout)


def is_missed(kind: str, figures: dict[str, object]) -> bool:
    return (
        figures["cpu"] > MAX_SECONDS
        or figures["mib"] > MAX_MIB
        or figures["late_ms"] - figures["idle_ms"] > MAX_LATENESS_MS
        or (KINDS[kind] in READABLE and "rows" not in str(figures["outcome"]))
    )


def main(kinds: list[str]) -> int:
    missed = 0
    print(f"{'kind':42}{'MB':>7}{'s':>7}{'CPU s':>7}{'MiB':>7}{'idle ms':>8}{'p95 ms':>8}  outcome")
    with tempfile.TemporaryDirectory() as folder:
        for kind in kinds or KINDS:
            file = Path(folder, f"{kind}.xlsx")
            file.write_bytes(KINDS[kind]())
            figures = measured(file)
            is_bad = is_missed(kind, figures)
            missed += is_bad
            print(
                f"{kind:42}{file.stat().st_size / 1e6:7.2f}{figures['seconds']:7.1f}"
                f"{figures['cpu']:7.1f}"
                f"{figures['mib']:7.0f}{figures['idle_ms']:8.1f}{figures['late_ms']:8.1f}"
                f"  {figures['outcome']}{'   MISSED' if is_bad else ''}",
                flush=True,
            )
            file.unlink()
    return bool(missed)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(Path(sys.argv[2]))))
    else:
        sys.exit(main(sys.argv[1:]))
