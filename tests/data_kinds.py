"""Files as people have them, a kind each: how it is made, and what has to come of it.

`KINDS` is the table; `make` writes the file of a kind into a folder.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TWO = [{"question": "1+1?", "answer": "2"}, {"question": "2+2?", "answer": "4"}]
BOTH = [("0", "1+1?", "2"), ("1", "2+2?", "4")]

Make = Callable[[Path], None]


@dataclass(frozen=True)
class Kind:
    """`problems` are (id, question, answer) that must come of it; else `says` is in the error.

    `file` names what is given as the data set, in the folder into which `make` writes.
    """

    name: str
    file: str
    make: Make
    problems: list[tuple[str, str, str]] | None = None
    says: str = ""
    options: dict[str, Any] = field(default_factory=dict)

    def prepare(self, folder: Path) -> str:
        self.make(folder / self.file)
        return str(folder / self.file)


KINDS: list[Kind] = []


def good(
    name: str,
    file: str,
    content: Any,
    problems: list[tuple[str, str, str]] = BOTH,
    **options: Any,
) -> None:
    KINDS.append(Kind(name, file, _maker(content), problems, options=options))


def bad(name: str, file: str, content: Any, says: str, **options: Any) -> None:
    KINDS.append(Kind(name, file, _maker(content), says=says, options=options))


def _maker(content: Any) -> Make:
    def write(path: Path) -> None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return content if callable(content) else write


def lines(*rows: Any, end: str = "\n", **options: Any) -> str:
    return "".join(json.dumps(row, **options) + end for row in rows)


def csv(*rows: str, end: str = "\n") -> str:
    return "".join(row + end for row in rows)


def zstd(content: bytes) -> bytes:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return bytes(sink.getvalue())


def table(path: Path, columns: dict[str, Any], **options: Any) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table(columns), path, **options)


def parquet(**columns: Any) -> Make:
    return lambda path: table(path, columns)


def arrow(*, stream: bool) -> Make:
    def write(path: Path) -> None:
        import pyarrow as pa

        made = pa.table({"question": ["1+1?", "2+2?"], "answer": ["2", "4"]})
        opened = pa.ipc.new_stream if stream else pa.ipc.new_file
        with opened(str(path), made.schema) as writer:
            writer.write_table(made)

    return write


def folder(**files: str) -> Make:
    """A folder of files; `__` in a name stands for its dot."""

    def write(path: Path) -> None:
        path.mkdir()
        for name, content in files.items():
            (path / name.replace("__", ".")).write_text(content)

    return write


def nested(path: Path) -> None:
    path.mkdir()
    folder(test__jsonl=PLAIN)(path / "data")


def linked(path: Path) -> None:
    path.with_name("real").write_text(PLAIN)
    path.symlink_to(path.with_name("real"))


def nothing(path: Path) -> None:
    pass


def saved(*, splits: bool) -> Make:
    def write(path: Path) -> None:
        import datasets

        made = datasets.Dataset.from_list(TWO)
        (datasets.DatasetDict({"test": made}) if splits else made).save_to_disk(str(path))

    return write


PLAIN = lines(*TWO)
COMMAS = csv("question,answer", "1+1?,2", "2+2?,4")
TABS = csv("question\tanswer", "1+1?\t2", "2+2?\t4")
COLUMNS = {"question": ["1+1?", "2+2?"], "answer": ["2", "4"]}


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def reply(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


# fmt: off
# suffixes and compression
good("jsonl", "p.jsonl", PLAIN)
good("ndjson", "p.ndjson", PLAIN)
good("jsonlines", "p.jsonlines", PLAIN)
good("jsonl in json", "p.json", PLAIN)
good("json list", "p.json", json.dumps(TWO))
good("json list, indented", "p.json", json.dumps(TWO, indent=2))
good("json list in jsonl", "p.jsonl", json.dumps(TWO))
good("indented objects in jsonl", "p.jsonl", lines(*TWO, indent=2))
good("objects without line ends", "p.jsonl", lines(*TWO, end=" "))
good("one object", "p.json", json.dumps(TWO[0]), BOTH[:1])
good("csv", "p.csv", COMMAS)
good("tsv", "p.tsv", TABS)
good("parquet", "p.parquet", parquet(**COLUMNS))
good("arrow file", "p.arrow", arrow(stream=False))
good("arrow stream", "p.arrow", arrow(stream=True))
good("feather", "p.feather", arrow(stream=False))
good("jsonl.gz", "p.jsonl.gz", gzip.compress(PLAIN.encode()))
good("ndjson.gz", "p.ndjson.gz", gzip.compress(PLAIN.encode()))
good("json.gz", "p.json.gz", gzip.compress(json.dumps(TWO).encode()))
good("csv.gz", "p.csv.gz", gzip.compress(COMMAS.encode()))
good("tsv.gz", "p.tsv.gz", gzip.compress(TABS.encode()))
good("jsonl.zst", "p.jsonl.zst", zstd(PLAIN.encode()))
good("csv.zst", "p.csv.zst", zstd(COMMAS.encode()))
good("json.zst", "p.json.zst", zstd(json.dumps(TWO).encode()))
good("jsonl.xz", "p.jsonl.xz", lzma.compress(PLAIN.encode()))
good("jsonl.bz2", "p.jsonl.bz2", bz2.compress(PLAIN.encode()))
good("two gzip members", "p.jsonl.gz", b"".join(gzip.compress(lines(r).encode()) for r in TWO))
good("gzip without its suffix", "p.jsonl", gzip.compress(PLAIN.encode()))
good("plain under .gz", "p.jsonl.gz", PLAIN)
good("upper case JSONL", "P.JSONL", PLAIN)
good("upper case JSON", "P.JSON", json.dumps(TWO))
good("upper case CSV", "P.CSV", COMMAS)
good("upper case PARQUET", "P.PARQUET", parquet(**COLUMNS))
good("upper case JSONL.GZ", "P.JSONL.GZ", gzip.compress(PLAIN.encode()))
good("parquet named json", "p.json", parquet(**COLUMNS))
good("json named csv", "p.csv", PLAIN)

# names
for _name in ("p[1].jsonl", "p#1.jsonl", "p?.jsonl", "p*.jsonl", "p 1.jsonl", "{p}.jsonl",
              "données.jsonl", "問題.jsonl", "a:b.jsonl", "p%20.jsonl", "p'\"q.jsonl", "p!.jsonl",
              "p@main.jsonl", "p::q.jsonl", "-p.jsonl", ".jsonl"):  # fmt: skip
    good(f"named {_name}", _name, PLAIN)
good("csv named p[1].csv", "p[1].csv", COMMAS)
good("parquet named p[1]#?.parquet", "p[1]#?.parquet", parquet(**COLUMNS))

# shapes
for _key in ("data", "problems", "examples", "rows", "test", "items"):
    good(f"rows under {_key}", "p.json", json.dumps({"version": "1.0", _key: TWO}))
good("rows two keys down", "p.json", json.dumps({"set": {"name": "x", "problems": TWO}}, indent=1))
good("splits under keys", "p.json", json.dumps({"train": TWO[:1], "test": TWO}))
good("a chosen split", "p.json", json.dumps({"a": TWO[:1], "b": TWO}), split="b")
good("rows under a key, on one line of jsonl", "p.jsonl", json.dumps({"data": TWO}))
good("pandas columns", "p.json", json.dumps({k: dict(enumerate(v)) for k, v in COLUMNS.items()}))
good("columns of lists", "p.json", json.dumps(COLUMNS))
good("pandas split form", "p.json", json.dumps({"columns": ["question", "answer"], "index": [0, 1], "data": [["1+1?", "2"], ["2+2?", "4"]]}))
good("pandas index form", "p.json", json.dumps(dict(enumerate(TWO))))
good("objects by id", "p.json", json.dumps({"a": TWO[0], "b": TWO[1]}), [("a", "1+1?", "2"), ("b", "2+2?", "4")])
good("a row with a list of objects", "p.json", json.dumps(TWO[0] | {"steps": [{"n": 1}]}), BOTH[:1])

# encodings and line ends
good("byte order mark", "p.jsonl", b"\xef\xbb\xbf" + PLAIN.encode())
good("byte order mark, list", "p.json", b"\xef\xbb\xbf" + json.dumps(TWO).encode())
good("byte order mark, csv", "p.csv", b"\xef\xbb\xbf" + COMMAS.encode())
good("UTF-16 jsonl", "p.jsonl", PLAIN.encode("utf-16"))
good("UTF-16 csv", "p.csv", COMMAS.encode("utf-16"))
good("UTF-16 big-endian tsv", "p.tsv", b"\xfe\xff" + TABS.encode("utf-16-be"))
good("UTF-32", "p.jsonl", PLAIN.encode("utf-32"))
good("CRLF jsonl", "p.jsonl", lines(*TWO, end="\r\n"))
good("CRLF csv", "p.csv", COMMAS.replace("\n", "\r\n"))
good("CR csv", "p.csv", COMMAS.replace("\n", "\r"))
good("CR jsonl", "p.jsonl", lines(*TWO, end="\r"))
good("no last line end", "p.jsonl", PLAIN.rstrip())
good("blank lines", "p.jsonl", "\n" + PLAIN.replace("\n", "\n\n"))
good("line separators in texts", "p.jsonl", lines({"question": "a\u2028b\u0085c", "answer": "1"}, ensure_ascii=False), [("0", "a\u2028b\u0085c", "1")])

# csv as spreadsheets and pandas write it
good("semicolons", "p.csv", COMMAS.replace(",", ";"))
good("tabs in csv", "p.csv", TABS)
good("csv with an index column", "p.csv", csv(",question,answer", "0,1+1?,2", "1,2+2?,4"))
good("csv blank line at its end", "p.csv", COMMAS + "\n")
good("csv of formulas", "p.csv", 'question,answer\n"Let $a,b$.\nFind ""a"".","\\frac{1}{2}"\n', [("0", 'Let $a,b$.\nFind "a".', "\\frac{1}{2}")])
good("csv names with spaces", "p.csv", COMMAS.replace(",answer", ", answer"))
good("csv cell with json", "p.csv", csv("prompt,answer", '"[{""role"": ""user"", ""content"": ""1+1?""}]",2'), BOTH[:1])
good("csv cell as python writes it", "p.csv", csv("prompt,answer", "\"[{'role': 'user', 'content': '1+1?'}]\",2"), BOTH[:1])

# fields
good("Problem and Answer", "p.jsonl", lines({"Problem": "1+1?", "Answer": 2, "ID": "2024-I-1"}), [("2024-I-1", "1+1?", "2")])
good("QUESTION and ANSWER", "p.csv", COMMAS.replace("question", "QUESTION").replace("answer", "ANSWER"))
good("Correct Answer", "p.csv", COMMAS.replace("question", "Question").replace("answer", "Correct Answer"))
good("DAPO", "p.jsonl", lines({"data_source": "math_dapo", "prompt": [user("1+1?")], "ability": "MATH", "reward_model": {"ground_truth": "2", "style": "rule-lighteval/MATH_v2"}, "extra_info": {"index": "9a9b6eb4"}}), BOTH[:1])
good("DAPO in parquet", "p.parquet", parquet(prompt=[[user("1+1?")]], reward_model=[{"ground_truth": "2", "style": "rule"}]), BOTH[:1])
good("extra_info.answer", "p.jsonl", lines({"question": "1+1?", "extra_info": {"answer": "so\n#### 2"}}), BOTH[:1])
good("a path that is said", "p.jsonl", lines({"q": {"text": "1+1?"}, "a": {"b": {"gold": 2}}}), BOTH[:1], question_field="q.text", answer_field="a.b.gold")
good("a name with a dot in it", "p.csv", csv("question,reward_model.ground_truth", "1+1?,2"), BOTH[:1])
good("GSM8K", "p.jsonl", lines({"question": "1+1?", "answer": "1+1=<<1+1=2>>2\n#### 2"}), BOTH[:1])
good("MATH, boxed in the solution", "p.jsonl", lines({"problem": "1+1?", "level": "1", "solution": r"It is \boxed{2}."}), [("0", "1+1?", r"It is \boxed{2}.")])
good("solution where the answer is null", "p.jsonl", lines(TWO[0], {"question": "2+2?", "answer": None, "solution": r"So $\boxed{4}$."}), [BOTH[0], ("1", "2+2?", r"So $\boxed{4}$.")])
good("solution where there is no answer", "p.jsonl", lines(TWO[0], {"question": "2+2?", "solution": "So\n#### 4"}))
good("OlympiadBench", "p.jsonl", lines({"id": 1606, "question": "1+1?", "solution": ["It is 2."], "final_answer": ["2"], "is_multiple_answer": False, "unit": None, "answer_type": "Numerical", "error": None}, {"id": 1607, "question": "roots?", "solution": ["..."], "final_answer": ["1", "-1"], "is_multiple_answer": True}), [("1606", "1+1?", "2"), ("1607", "roots?", "1, -1")])

# answers
good("integers", "p.jsonl", lines(*(r | {"answer": int(r["answer"])} for r in TWO)))
good("decimals", "p.jsonl", lines(TWO[0] | {"answer": 0.5}), [("0", "1+1?", "0.5")])
good("whole numbers among decimals", "p.jsonl", lines(TWO[0] | {"answer": 2}, TWO[1] | {"answer": 4.5}), [("0", "1+1?", "2.0"), ("1", "2+2?", "4.5")])
good("a long integer", "p.jsonl", lines(TWO[0] | {"answer": 2**80}), [("0", "1+1?", str(2**80))])
good("texts and numbers", "p.jsonl", lines(TWO[0] | {"answer": 2}, TWO[1]))
good("booleans", "p.jsonl", lines(TWO[0] | {"answer": True}), [("0", "1+1?", "True")])
good("a date", "p.jsonl", lines(TWO[0] | {"answer": "2024-01-01"}), [("0", "1+1?", "2024-01-01")])
good("a list of one", "p.jsonl", lines(*(r | {"answer": [r["answer"]]} for r in TWO)))
good("a list, all of it", "p.jsonl", lines(TWO[0] | {"answer": [1, "x"]}), [("0", "1+1?", "1, x")], answers="all")
good("a list, any of it", "p.jsonl", lines(TWO[0] | {"answer": ["2", "two"]}), [("0", "1+1?", "2 or two")], answers="any")
good("a list as JSON text", "p.jsonl", lines(TWO[0] | {"answer": '["2", "two"]'}), [("0", "1+1?", "2 or two")], answers="any")
good("an interval is one answer", "p.jsonl", lines(TWO[0] | {"answer": "[1, 2]"}), [("0", "1+1?", "[1, 2]")], answers="any")
good("decimals in parquet", "p.parquet", parquet(question=["1+1?"], answer=[2.0]), [("0", "1+1?", "2.0")])
good("odd types beside", "p.jsonl", lines(TWO[0] | {"x": 1}, TWO[1] | {"x": {"y": []}}))

# conversations
good("prompt of turns", "p.jsonl", lines({"prompt": [user("1+1?")], "answer": "2"}), BOTH[:1])
good("messages with the solution", "p.jsonl", lines({"messages": [user("1+1?"), reply(r"\boxed{2}")]}), [("0", "1+1?", r"\boxed{2}")])
good("messages and an answer", "p.jsonl", lines({"messages": [user("1+1?"), reply("So 3.")], "answer": "2"}), BOTH[:1])
good("ShareGPT", "p.jsonl", lines({"conversations": [{"from": "human", "value": "1+1?"}, {"from": "gpt", "value": "2"}]}), BOTH[:1])
good("ShareGPT with a role beside", "p.jsonl", lines({"conversations": [{"role": "x", "from": "human", "value": "1+1?"}, {"from": "gpt", "value": "2"}]}), BOTH[:1])
good("prompt and completion of turns", "p.jsonl", lines({"prompt": [user("1+1?")], "completion": [reply("2")]}), BOTH[:1], answer_field="completion")
good("content in parts", "p.jsonl", lines({"messages": [{"role": "user", "content": [{"type": "text", "text": "1+1?"}]}], "answer": "2"}), BOTH[:1])
good("several turns", "p.jsonl", lines({"messages": [user("1+1?"), reply("2"), user("And twice that?")], "answer": 4}), [("0", "1+1?\n\n2\n\nAnd twice that?", "4")])
good("one conversation in a json", "p.json", json.dumps({"messages": [user("1+1?"), reply("2")]}), BOTH[:1])

# ids
good("ids", "p.jsonl", lines(*({"id": f"x{i}"} | r for i, r in enumerate(TWO))), [("x0", "1+1?", "2"), ("x1", "2+2?", "4")])
good("numbered ids", "p.jsonl", lines(*({"id": 7 + i} | r for i, r in enumerate(TWO))), [("7", "1+1?", "2"), ("8", "2+2?", "4")])
good("repeated ids", "p.jsonl", lines(*({"id": 7} | r for r in TWO)))
good("missing ids", "p.jsonl", lines({"id": 7} | TWO[0], TWO[1]))

# folders
good("a folder", "d", folder(test__jsonl=PLAIN, train__jsonl=lines(TWO[0])))
good("a folder of csv", "d", folder(test__csv=COMMAS), [("0", "1+1?", "2"), ("1", "2+2?", "4")])
good("a folder named d[1]", "d[1]", folder(test__jsonl=PLAIN))
good("a folder named d?*#", "d?*#", folder(test__jsonl=PLAIN))
good("a folder named p.jsonl", "p.jsonl", folder(test__jsonl=PLAIN))
good("a file named test[1].jsonl in a folder", "d", folder(**{"test[1]__jsonl": PLAIN}))
good("folders in a folder", "d", nested)
good("save_to_disk", "d", saved(splits=False))
good("save_to_disk of splits", "d", saved(splits=True))
good("a link", "p.jsonl", linked)

# rows to pass over
ROWS = PLAIN + '{"question": "torn\n' + lines({"question": "no answer"})
good("bad rows passed over", "p.jsonl", ROWS, skip_bad_rows=True)
good("a bad first row passed over", "p.jsonl", '{"question": \n' + PLAIN, [("1", "1+1?", "2"), ("2", "2+2?", "4")], skip_bad_rows=True)
good("bad csv rows passed over", "p.csv", COMMAS + 'a,b,c\n"x"y,2\n,3\n', skip_bad_rows=True)
good("a latin-1 row passed over", "p.jsonl", PLAIN.encode() + b'{"question": "\xe9", "answer": "1"}\n', skip_bad_rows=True)
good("a list with other things passed over", "p.json", json.dumps([*TWO, 5, None]), skip_bad_rows=True)

# what cannot be used
SKIP = "--skip-bad-rows passes over such rows"
bad("empty", "p.jsonl", "", "p.jsonl: no rows in it: was it written to its end?")
bad("empty csv", "p.csv", "", "p.csv: no rows in it: was it written to its end?")
bad("empty json", "p.json", "", "p.json: no rows in it: was it written to its end?")
bad("empty gzip", "p.jsonl.gz", gzip.compress(b""), "p.jsonl.gz: no rows in it: was it written to its end?")
bad("blank lines only", "p.jsonl", "\n \n", "p.jsonl: no rows in it: was it written to its end?")
bad("a byte order mark only", "p.jsonl", b"\xef\xbb\xbf", "p.jsonl: no rows in it: was it written to its end?")
bad("an empty list", "p.json", "[]", "p.json: no rows in it: was it written to its end?")
bad("an empty object", "p.json", "{}", "p.json: no rows in it: JSON lines, or a list of objects")
bad("an empty list under a key", "p.json", '{"data": []}', "p.json: no rows in it: was it written to its end?")
bad("a csv header alone", "p.csv", "question,answer\n", "p.csv: no rows in it: was it written to its end?")
bad("an empty parquet", "p.parquet", parquet(question=[], answer=[]), "p.parquet: no rows in it: was it written to its end?")
bad("parquet of no bytes", "p.parquet", "", "p.parquet: no rows in it: was it written to its end?")
bad("an empty folder", "d", folder(), "d: cannot be read:")
bad("a folder of other files", "d", folder(notes__xyz="hello"), "d: cannot be read:")
bad("no such file", "p.jsonl", nothing, "p.jsonl: No such file or directory")
bad("no such packed file", "p.csv.gz", nothing, "p.csv.gz: No such file or directory")
bad("a dangling link", "p.jsonl", lambda path: path.symlink_to("gone"), "p.jsonl: a link to nothing (gone)")
bad("a link to itself", "p.jsonl", lambda path: path.symlink_to(path), "p.jsonl: Too many levels of symbolic links")
bad("another suffix", "p.txt", PLAIN, "p.txt: not one of .jsonl")
bad("no suffix", "p", PLAIN, "p: not one of .jsonl")
bad("zip", "p.zip", b"PK\x03\x04" + bytes(40), "p.zip: not one of .jsonl")
bad("zip named json", "p.json", b"PK\x03\x04" + bytes(40), "p.json: a zip archive or a workbook: unpack it, or export it as CSV")
bad("pickle named json", "p.json", b"\x80\x04\x95" + bytes(40), "p.json: a pickle, which could run code")
bad("a pointer of Git LFS", "p.parquet", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "p.parquet: a pointer of Git LFS, not the data: run git lfs pull")
bad("a web page", "p.jsonl", "<!DOCTYPE html><html></html>", "p.jsonl: a web page, not the data")
bad("a huge number", "p.jsonl", PLAIN + '{"question": "a", "answer": 1' + "0" * 5000 + "}\n", "p.jsonl:3: not JSON (a number of more digits than Python reads: write it as a text)")
bad("lines that end in commas", "p.jsonl", lines(*TWO, end=",\n"), "p.jsonl:1: not JSON (")
bad("rows that are lists", "p.jsonl", lines(["1+1?", "2"], ["2+2?", "4"]), "p.jsonl: row 0: not a JSON object but a list")
bad("tar.gz named jsonl.gz", "p.jsonl.gz", gzip.compress(b"a" * 257 + b"ustar\x00" + bytes(249)), "p.jsonl.gz: a tar archive: unpack it")
bad("packed twice", "p.jsonl.gz", gzip.compress(gzip.compress(PLAIN.encode())), "p.jsonl.gz: packed twice")
bad("cut-off gzip", "p.jsonl.gz", gzip.compress(PLAIN.encode() * 99)[:-20], "p.jsonl.gz: cut off or damaged")
bad("cut-off zstd", "p.jsonl.zst", lambda path: path.write_bytes(zstd(PLAIN.encode() * 99)[:-9]) and None, "p.jsonl.zst: cut off or damaged")
bad("cut-off xz", "p.jsonl.xz", lzma.compress(PLAIN.encode() * 99)[:-9], "p.jsonl.xz: cut off or damaged")
bad("cut-off bzip2", "p.jsonl.bz2", bz2.compress(PLAIN.encode() * 99)[:-9], "p.jsonl.bz2: cut off or damaged")
bad("damaged gzip", "p.jsonl.gz", b"\x1f\x8b\x08\x00" + b"x" * 50, "p.jsonl.gz: cut off or damaged")
bad("a broken parquet", "p.parquet", b"PAR1" + b"x" * 50, "p.parquet: not parquet that can be read")
bad("text named parquet", "p.parquet", PLAIN, "p.parquet: not parquet that can be read")
bad("a broken arrow", "p.arrow", b"ARROW1" + b"x" * 50, "p.arrow: not Arrow that can be read")
bad("UTF-16 without a mark", "p.jsonl", PLAIN.encode("utf-16-le"), "p.jsonl: not UTF-8 text, but perhaps UTF-16: save it as UTF-8")
bad("latin-1", "p.jsonl", PLAIN.encode() + b'{"question": "\xe9", "answer": "1"}\n', "p.jsonl:3: not UTF-8 text")
bad("latin-1 list", "p.json", b'[\n{"question": "\xe9", "answer": "1"}]', "p.json:2: not UTF-8 text")
bad("latin-1 csv", "p.csv", COMMAS.encode() + b"\xe9,5\n", "p.csv:4: not UTF-8 text: save the file as UTF-8")
bad("a torn last line", "p.jsonl", PLAIN + '{"question": "3+3', f"p.jsonl:3: not JSON (Unterminated string starting at column 14: the line is cut off); {SKIP}")
bad("a torn only line", "p.jsonl", '{"question": "3+3', "p.jsonl:1: not JSON (")
bad("a torn list", "p.json", '[\n{"question": "1+1?", "answer": "2"},\n', "p.json:2: not JSON (")
bad("a bad first row", "p.jsonl", "{'question': 1}\n" + PLAIN, "p.jsonl:1: not JSON (")
bad("csv named jsonl", "p.jsonl", COMMAS, "p.jsonl:1: not JSON (Expecting value at column 1: a CSV file wants the suffix .csv)")
bad("a number", "p.json", "5", "p.json: no rows in it")
bad("a list of texts", "p.json", '["a", "b"]', "p.json: row 0: not a JSON object but a text")
bad("null among rows", "p.jsonl", PLAIN + "null\n", f"p.jsonl:3: not a JSON object but null; {SKIP}")
bad("a name twice", "p.jsonl", PLAIN + '{"question": "a", "answer": "1", "answer": "2"}\n', "p.jsonl:3: not JSON (the name 'answer' stands twice")
bad("several lists", "p.json", json.dumps({"a": TWO, "b": TWO}), "p.json: choose a split with --split: a, b")
bad("a split that is not there", "p.jsonl", PLAIN, "no split 'test'; there are train", split="test")
bad("a null question", "p.jsonl", PLAIN + lines({"question": None, "answer": "1"}), f"p.jsonl:3: field 'question' is empty; {SKIP}")
bad("an empty question", "p.jsonl", PLAIN + lines({"question": " ", "answer": "1"}), f"p.jsonl:3: field 'question' is empty; {SKIP}")
bad("a null answer", "p.jsonl", PLAIN + lines({"question": "a", "answer": None}), f"p.jsonl:3: field 'answer' is empty; {SKIP}")
bad("NaN", "p.jsonl", '{"question": "a", "answer": NaN}\n', f"p.jsonl:1: field 'answer' is empty; {SKIP}")
bad("infinity", "p.jsonl", '{"question": "a", "answer": 1e999}\n', f"p.jsonl:1: field 'answer' is infinite; {SKIP}")
bad("a null answer and a solution without one", "p.jsonl", lines(TWO[0], {"question": "a", "answer": None, "solution": "Clearly."}), f"p.jsonl:2: field 'answer' is empty; {SKIP}")
bad("half an emoji", "p.jsonl", lines(TWO[0] | {"question": "\ud83d"}), "p.jsonl:1: field 'question' holds half of a character")
bad("several answers", "p.jsonl", lines(TWO[0] | {"answer": ["2", "3"]}), "p.jsonl:1: field 'answer' holds 2 answers: say --answers any")
bad("an object for an answer", "p.jsonl", lines(TWO[0] | {"answer": {"value": 2}}), "is not a text but an object: name a field of it: answer.value")
bad("a matrix for an answer", "p.jsonl", lines(TWO[0] | {"answer": [[1, 2], [3, 4]]}), "p.jsonl:1: field 'answer' is not a text: [[1, 2], [3, 4]]")
bad("bytes", "p.parquet", parquet(question=[b"1+1?"], answer=["2"]), "p.parquet: row 0: field 'question' is not a text: b'1+1?'")
bad("no question field", "p.jsonl", lines({"frage": "a", "answer": "1"}), "which field is the question? Say so with --question-field: frage, answer")
bad("no answer field", "p.jsonl", lines({"question": "a", "meta": {"key": 1}}), "which field is the answer? Say so with --answer-field: question, meta, meta.key")
bad("a misspelt field", "p.jsonl", PLAIN, "no field 'anwser'; there are question, answer; is 'answer' meant?", answer_field="anwser")
bad("a field in another case", "p.csv", COMMAS.replace("answer", "Answer"), "is 'Answer' meant?", answer_field="answer")
bad("a field without its path", "p.jsonl", lines({"question": "a", "reward_model": {"ground_truth": 1}}), "is 'reward_model.ground_truth' meant?", answer_field="ground_truth")
bad("csv without a header", "p.csv", "1+1?,2\n2+2?,4\n", "which field is the question? Say so with --question-field: 1+1?, 2")
bad("a name over two lines", "p.csv", '"ques\ntion",answer\n1+1?,2\n', "which field is the question? Say so with --question-field: ques tion, answer")
bad("a ragged csv row", "p.csv", COMMAS + "3+3?,6,7\n", f"p.csv:4: 3 cells where the header has 2: is one not quoted?; {SKIP}")
bad("a short csv row", "p.csv", COMMAS + "3+3?\n", "p.csv:4: 1 cells where the header has 2")
bad("an open quote", "p.csv", COMMAS + '"3+3?,6\n', f"p.csv:4: not CSV (unexpected end of data); {SKIP}")
bad("two csv columns of one name", "p.csv", "question,answer,answer\na,b,c\n", "p.csv:1: two columns are named 'answer': rename one")
bad("turns that end with the assistant's alone", "p.jsonl", lines({"messages": [reply("2")], "answer": "2"}), "has no turn of the user's")
bad("a tool's turn", "p.jsonl", lines({"messages": [user("1+1?"), {"role": "tool", "content": "2"}], "answer": "2"}), "has a turn of 'tool'; there are system, user and assistant")
bad("an image", "p.jsonl", lines({"messages": [{"role": "user", "content": [{"type": "image_url"}]}], "answer": "2"}), "has a turn with more than text in it")
bad("a turn without text", "p.jsonl", lines({"messages": [{"role": "user", "content": None}], "answer": "2"}), "has a turn without text")
bad("turns without a reply or an answer", "p.jsonl", lines({"messages": [user("1+1?")]}), f"p.jsonl:1: field 'messages' ends with the user's turn: no answer stands behind it; {SKIP}")
bad("deep nesting", "p.jsonl", PLAIN + '{"a":' * 100_000 + "\n", f"p.jsonl:3: not JSON that can be read: nested too deeply; {SKIP}")
bad("deep nesting, one value", "p.json", "[" * 100_000, "p.json:1: not JSON that can be read: nested too deeply")
bad("nothing usable", "p.jsonl", lines({"question": "a", "answer": None}), "none of its 1 rows can be used: line 1: field 'answer' is empty", skip_bad_rows=True)
bad("a pipe", "p.jsonl", os.mkfifo, "a run could not be resumed from what is no regular file")
bad("a long name", "x" * 300 + ".jsonl", nothing, "File name too long")
# fmt: on
