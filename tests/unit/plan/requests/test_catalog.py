import csv
import io
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagemake.core.problems import UserError
from imagemake.plan.requests.catalog import Catalog, read_catalog
from imagemake.plan.requests.catalog_reader import Reader
from imagemake.plan.requests.catalog_row import Row


@pytest.fixture
def catalog(tmp_path):
    def write(content, name="catalog.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def problems(path):
    with pytest.raises(UserError) as caught:
        read_catalog(path)
    return [(problem.where.removeprefix(str(path)).lstrip(", "), problem.what) for problem in caught.value.problems]


def test_rows_of_a_csv_file_are_numbered_by_their_lines(catalog):
    path = catalog('sku,note\nA,"two\nlines"\n\nB,x\n,\nC,\n')
    assert read_catalog(path) == [
        Row(2, {"sku": "A", "note": "two\nlines"}),
        Row(5, {"sku": "B", "note": "x"}),
        Row(7, {"sku": "C", "note": ""}),
    ]


def test_what_an_editor_or_a_spreadsheet_adds_changes_nothing(catalog):
    plain = read_catalog(catalog('sku,note\nA,"1\n2"\n'))
    assert read_catalog(catalog('\ufeffsku, note \r\n A ,"1\r\n2"\r\n,\r\n')) == plain
    assert read_catalog(catalog('sku,note\nA, "1\n2"\n')) == plain


def test_the_three_formats_say_the_same(catalog):
    rows = [{"sku": "A", "size": 1, "wide": True}, {"sku": "B", "ratio": 0.5, "size": None}]
    as_json = read_catalog(catalog(json.dumps(rows), "c.json"))
    as_lines = read_catalog(catalog("\n".join(map(json.dumps, rows)), "c.JSONL"))
    as_csv = read_catalog(catalog("sku,size,wide,ratio\nA,1,true,\nB,,,0.5\n"))
    assert [row.values for row in as_json] == [row.values for row in as_lines] == [row.values for row in as_csv]
    assert [row.number for row in as_json] == [1, 2]


@pytest.mark.parametrize("written", ["1.10", "1e3", "-0.0", "0.1000000000000000055", "2.0"])
@pytest.mark.parametrize("name", ["c.json", "c.jsonl"])
def test_a_number_keeps_its_spelling_except_as_a_parameter(catalog, name, written):
    line = f'{{"sku": {written}, "parameters": {{"strength": {written}}}}}'
    (row,) = read_catalog(catalog(f"[{line}]" if name == "c.json" else line, name))
    assert row.values == {"sku": written, "parameters.strength": repr(float(written))}


def test_lines_of_json_lines_are_rows_and_empty_ones_are_skipped(catalog):
    assert [row.number for row in read_catalog(catalog('{"a": 1}\n\n{"a": 2}\r\n', "c.jsonl"))] == [1, 3]


def test_parameters_can_be_an_object_of_their_own(catalog):
    (row,) = read_catalog(catalog('[{"sku": "A", "parameters": {"size": "1x1", "n_steps": 3}}]', "c.json"))
    assert row.values == {"sku": "A", "parameters.size": "1x1", "parameters.n_steps": "3"}


def test_reference_images_can_be_a_list_in_json(catalog):
    (row,) = read_catalog(catalog('[{"sku": "a", "references": ["a.png", "b.png"]}]', "c.json"))
    assert row.values["references"] == "a.png;b.png"


def test_a_wrong_encoding_is_told_with_its_line_and_offset_and_so_are_other_mistakes(catalog):
    path = catalog("sku,name\nA,Café\nB\nC,Brûlée\n".encode("latin-1"))
    assert problems(path) == [
        ("line 2", "byte 0xe9 at offset 14 is not UTF-8."),
        ("line 4", "byte 0xfb at offset 22 is not UTF-8."),
        ("row 3", "expected 2 cells, found 1."),
    ]


def test_utf16_is_told_as_such(catalog):
    assert problems(catalog("sku\nA\n".encode("utf-16"))) == [("", "the file is in UTF-16.")]


def test_mistakes_in_the_header_are_told_together(catalog):
    assert problems(catalog("sku,,sku,take,{x}\nA,b,c,d,e\n")) == [
        ("row 1", "column 2 has no name."),
        ("row 1", "two columns are named 'sku'."),
        ("row 1", "the column name 'take' is reserved for the number of the take."),
        ("row 1", "'{x}' cannot be the name of a column."),
    ]


def test_columns_in_two_spellings_of_unicode_are_one(catalog):
    assert problems(catalog("größe,gro\u0308ße\n1,2\n")) == [("row 1", "two columns are named 'größe'.")]


def test_separators_of_other_regions_are_read(catalog):
    plain = read_catalog(catalog('sku,price,note\nA,"19,90","red; ""matt""\n2"\n'))
    for separator in (";", "\t"):
        path = catalog(
            f'\ufeffsku{separator}price{separator}note\r\nA{separator}19,90{separator}"red; ""matt""\n2"\r\n'
        )
        assert read_catalog(path) == plain


@pytest.mark.parametrize(
    ("header", "columns"),
    [("sku,a;b", ["sku", "a;b"]), ("sku;price, net;b", ["sku", "price, net", "b"]), ("a|b", ["a|b"])],
)
def test_the_separator_is_what_gives_the_header_most_cells_or_else_a_comma(catalog, header, columns):
    (row,) = read_catalog(catalog(f"{header}\n" + header.replace(", ", " ") + "\n"))
    assert list(row.values) == columns


def test_empty_columns_at_the_end_are_left_out(catalog):
    assert read_catalog(catalog("a;b;;\n1;2;;\n3;;;\n")) == [Row(2, {"a": "1", "b": "2"}), Row(3, {"a": "3", "b": ""})]
    assert problems(catalog("a;b;;\n1;2;;x\n")) == [("row 2", "expected 2 cells, found 4.")]


def test_ragged_rows_are_told_one_by_one(catalog):
    assert [where for where, _ in problems(catalog("a,b\n1\n1,2\n1,2,3\n"))] == ["row 2", "row 4"]


def test_the_remedy_for_a_ragged_row_names_the_separator_and_what_excel_leaves_out(catalog):
    with pytest.raises(UserError) as caught:
        read_catalog(catalog("a;b\n1\n1;2;3\n"))
    assert [problem.remedy for problem in caught.value.problems] == [
        "Add or remove semicolons. Put a value that contains a semicolon in quotes. "
        "Excel can leave out empty cells at the end of a row: put a column without any there.",
        "Add or remove semicolons. Put a value that contains a semicolon in quotes.",
    ]


def test_an_open_quote_is_told_where_it_begins(catalog):
    ((where, what),) = problems(catalog('a,b\n1,2\n3,"4\n5,6\n'))
    assert where == "row 3"
    assert what.startswith("invalid CSV")


def test_control_characters_are_told_with_their_column(catalog):
    assert problems(catalog("a,b\n1,x\x00\n\x1b[31m,2\n")) == [
        ("row 2", "column 'b' contains the control character U+0000."),
        ("row 3", "column 'a' contains the control character U+001B."),
    ]


def test_lone_surrogates_are_refused(catalog):
    assert problems(catalog('{"a": "\\ud800"}', "c.jsonl")) == [
        ("row 1", "column 'a' contains the control character U+D800.")
    ]


def test_broken_lines_of_json_lines_are_all_told(catalog):
    path = catalog('{"a": 1}\n{"a": \n[1]\n"x"\n{"a": 1, "a": 2}\n', "c.jsonl")
    assert problems(path) == [
        ("row 2", "invalid JSON at column 7: Expecting value."),
        ("row 3", "[1] is not an object."),
        ("row 4", "'x' is not an object."),
        ("row 5", "column 'a' appears twice."),
    ]


def test_broken_json_is_told_with_line_and_column(catalog):
    assert problems(catalog('[{"a": 1},\n {"a" 2}]', "c.json")) == [
        ("line 2", "invalid JSON at column 7: Expecting ':' delimiter.")
    ]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ('{"a": 1}', "the file does not contain a list."),
        ("3", "the file does not contain a list."),
        ('[{"a": [1]}]', "column 'a' contains a list."),
        ('[{"a": {"b": 1}}]', "column 'a' contains an object."),
        ('[{"references": ["a.png", 1]}]', "column 'references' contains a list."),
        ('[{"references": ["a.png;b.png"]}]', "column 'references' contains a list."),
        ('[{"references": {"a": "b"}}]', "column 'references' contains an object."),
        ('[{"parameters": {"size": [1]}}]', "column 'parameters.size' contains a list."),
        ('[{"a": NaN}]', "column 'a': nan is not a finite number."),
        ('[{"a": 1e999}]', "column 'a': 1e999 is not a finite number."),
        ('[{"": 1}]', "a column has no name."),
        ('[{"take": 1}]', "the column name 'take' is reserved for the number of the take."),
        ("[]", "the catalog has no rows."),
    ],
)
def test_json_that_is_no_table_is_told(catalog, content, what):
    assert [told for _, told in problems(catalog(content, "c.json"))] == [what]


@pytest.mark.parametrize("content", ["[" * 100_000, "[" + "1" * 5000 + "]"])
@pytest.mark.parametrize("name", ["c.json", "c.jsonl"])
def test_hostile_json_is_a_problem_and_no_crash(catalog, content, name):
    assert len(problems(catalog(content, name))) == 1


@pytest.mark.parametrize("content", ["", "\n\n", "sku,color\n", "\ufeff"])
def test_a_catalog_without_rows_is_told(catalog, content):
    assert problems(catalog(content)) == [("", "the catalog has no rows.")]


def test_a_missing_file_and_an_unknown_suffix_are_told(catalog, tmp_path):
    assert problems(tmp_path / "none.csv") == [("", "the catalog cannot be read: No such file or directory.")]
    assert problems(catalog("a", "catalog.xlsx")) == [("", "this file is not a catalog.")]


cells = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]) | st.sampled_from("\n\t,\"'{};"), max_size=8
)
tables = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), min_size=1, max_size=5)
)


@settings(max_examples=50)
@given(tables)
def test_every_table_is_read_back_alike_from_all_formats(tmp_path_factory, table):
    columns = [f"c{i}" for i in range(len(table[0]))]
    expected = [[cell.strip() for cell in row] for row in table if any(cell.strip() for cell in row)]
    folder = tmp_path_factory.mktemp("table")
    text = io.StringIO()
    csv.writer(text).writerows([columns, *table])
    (folder / "c.csv").write_text(text.getvalue(), encoding="utf-8", newline="")
    objects = [dict(zip(columns, row, strict=True)) for row in table]
    (folder / "c.json").write_text(json.dumps(objects), encoding="utf-8")
    (folder / "c.jsonl").write_text("\n".join(json.dumps(o, ensure_ascii=False) for o in objects), encoding="utf-8")
    for suffix in ("csv", "json", "jsonl"):
        try:
            found = [list(row.values.values()) for row in read_catalog(folder / f"c.{suffix}")]
        except UserError:
            found = []
        assert [row for row in found if any(row)] == expected


@settings(max_examples=200)
@given(st.binary(max_size=60), st.sampled_from(["csv", "json", "jsonl"]))
def test_no_bytes_whatever_crash_the_reader(tmp_path_factory, data, suffix):
    path = tmp_path_factory.mktemp("bytes") / f"c.{suffix}"
    path.write_bytes(data)
    try:
        assert read_catalog(path)
    except UserError as error:
        assert error.problems


def test_twenty_thousand_rows_take_a_fraction_of_a_second(catalog):
    rows = "".join(f"SKU-{i:06d},mug no. {i},clay,{i / 100:.2f},hand made\n" for i in range(20_000))
    path = catalog(f"sku,product,material,price,note\n{rows}")
    start = time.process_time()
    assert len(read_catalog(path)) == 20_000
    assert time.process_time() - start < 1  # 0.15 s by itself; the rest is for busy machines


def written(table, suffix):
    """Return a table in a format, with c0, c1, and so on as its columns."""
    columns = [f"c{i}" for i in range(len(table[0]))]
    if suffix == "csv":
        text = io.StringIO()
        csv.writer(text).writerows([columns, *table])
        return Catalog("c.csv", text.getvalue().encode())
    objects = [json.dumps(dict(zip(columns, row, strict=True))) for row in table]
    text = f"[{','.join(objects)}]" if suffix == "json" else "\n".join(objects)
    return Catalog(f"c.{suffix}", text.encode())


@settings(max_examples=100)
@given(tables, tables, st.sampled_from(["csv", "json", "jsonl"]))
def test_records_that_are_alike_are_rows_that_are_alike(one, other, suffix):
    values_of = {}
    for table in (one, other):
        catalog = written(table, suffix)
        try:
            rows, records = [*catalog], catalog.records
        except UserError:
            continue
        assert [*records.numbers] == [row.number for row in rows]
        assert list(records.columns) == list(rows[0].values)
        digests = [records.digests[i * 16 : i * 16 + 16] for i in range(len(rows))]
        for digest, row in zip(digests, rows, strict=True):
            values = values_of.setdefault((records.columns, digest), row.values)
            assert values == row.values
        assert catalog.only({row.number for row in rows[::2]}) == rows[::2]


@pytest.mark.parametrize("text", ["a,b\nx\x1fy\n", "a,b\nx,y\x07\n", 'a,b\n"x,y\n', "a,a\nx,y\n", "a,b\n", "\n"])
def test_records_of_a_bad_catalog_tell_its_mistakes(text):
    with pytest.raises(UserError) as caught:
        Catalog("c.csv", text.encode()).records  # noqa: B018
    with pytest.raises(UserError) as whole:
        len(Catalog("c.csv", text.encode()))
    assert caught.value.problems == whole.value.problems


def test_a_row_that_is_read_alone_tells_the_mistakes_of_all(catalog):
    path = catalog("a,b\nx\n1,2\n1,2,3\n")
    with pytest.raises(UserError) as caught:
        Catalog.open(path).only({2})
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("name", ["catalog.csv", "catalog.json", "catalog.jsonl"])
def test_records_are_kept_with_the_catalog_so_that_no_row_is_read_again(catalog, tmp_path, monkeypatch, name):
    content = {"csv": "a,b\n\n1,2\n", "json": '[{"a": 1, "b": 2}]', "jsonl": '\n{"a": 1, "b": 2}\n'}
    found = Catalog.open(catalog(content[name.partition(".")[2]], name))
    records = found.records
    found.keep(tmp_path)
    monkeypatch.setattr(Reader, "records", None)
    again = Catalog.kept(found.path, found.digest, tmp_path)
    assert again.records == records
    assert again.only({*records.numbers}) == [*found]
    assert Catalog.open(found.path, tmp_path).records == records


@pytest.mark.parametrize("damage", [True, False])
def test_kept_records_that_are_damaged_or_of_another_file_are_made_again(catalog, tmp_path, damage):
    found = Catalog.open(catalog("a\n1\n"))
    records = found.records
    found.keep(tmp_path)
    (path,) = tmp_path.glob("catalog-*.rows")
    content = path.read_bytes()
    other = Catalog("c.csv", b"a\n2\n")
    assert other.records != records
    other.keep(tmp_path / "other")
    (other_path,) = (tmp_path / "other").glob("catalog-*.rows")
    path.write_bytes(content.replace(b"numbers", b"numberz") if damage else other_path.read_bytes())
    again = Catalog.open(found.path, tmp_path)
    assert again.records == records
    again.keep(tmp_path)
    assert path.read_bytes() == content
