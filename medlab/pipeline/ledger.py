"""The ledger: one row a source file, on disk, so that a job of any size fits in memory.

It stands in the job's private folder and makes the job resumable: what is done and still
there is not done again.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from medlab.crypto import keyed_digest
from medlab.disk import transaction
from medlab.errors import InputError
from medlab.pipeline.settings import Outcome

_TABLES = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS file (
    row INTEGER PRIMARY KEY, source BLOB UNIQUE NOT NULL, size INTEGER, changed INTEGER,
    kind TEXT NOT NULL, status TEXT NOT NULL DEFAULT '', target TEXT NOT NULL DEFAULT '',
    target_size INTEGER NOT NULL DEFAULT 0, instance BLOB, copies INTEGER NOT NULL DEFAULT 0,
    series BLOB, space BLOB);
CREATE INDEX IF NOT EXISTS file_series ON file (series);
CREATE TABLE IF NOT EXISTS box (row INTEGER, cells TEXT);
CREATE INDEX IF NOT EXISTS box_row ON box (row);
CREATE INDEX IF NOT EXISTS file_instance ON file (instance);
CREATE INDEX IF NOT EXISTS file_status ON file (status);
CREATE INDEX IF NOT EXISTS file_target ON file (target);
CREATE TABLE IF NOT EXISTS phrase (digest BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS owner (row INTEGER PRIMARY KEY, study BLOB, owner BLOB);
CREATE INDEX IF NOT EXISTS owner_study ON owner (study, owner);
CREATE TABLE IF NOT EXISTS word (digest BLOB PRIMARY KEY, who BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS action (row INTEGER, code TEXT, option TEXT, n INTEGER);
CREATE TABLE IF NOT EXISTS kind (row INTEGER, kind INTEGER, n INTEGER);
CREATE TABLE IF NOT EXISTS finding (row INTEGER, severity TEXT, message TEXT, place TEXT);
CREATE TABLE IF NOT EXISTS unchecked (row INTEGER, what TEXT);
CREATE TABLE IF NOT EXISTS text (
    number INTEGER PRIMARY KEY, place TEXT, text TEXT, UNIQUE (place, text));
CREATE TABLE IF NOT EXISTS text_kept (
    row INTEGER, number INTEGER, PRIMARY KEY (row, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS head (
    row INTEGER PRIMARY KEY, residual_face REAL, brain_changed REAL, head_kept REAL,
    volume_ml REAL, warnings TEXT);
CREATE TABLE IF NOT EXISTS sent (row INTEGER PRIMARY KEY, refused INTEGER);
CREATE TEMP TABLE met (source BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS action_row ON action (row);
CREATE INDEX IF NOT EXISTS kind_row ON kind (row);
CREATE INDEX IF NOT EXISTS finding_row ON finding (row);
CREATE INDEX IF NOT EXISTS unchecked_row ON unchecked (row);
"""
_OF_A_ROW = ("action", "kind", "finding", "unchecked", "box", "text_kept")
_OF_A_SOURCE = ("owner", "head", *_OF_A_ROW)
_ENTRY = "source, kind, copies"
_WANTED = "status IN ('', 'done')"
_OPEN_SPACES = "FROM file WHERE space IS NOT NULL AND status = ''"
_MEASURED = ("residual_face", "brain_changed", "head_kept", "volume_ml")


class Entry(NamedTuple):
    """One source file: its row number, its path below the source folder, what it is."""

    row: int
    source: Path
    kind: str
    copies: int = 0


class _Row(NamedTuple):
    """One line of the map; `source` is below SRC, `target` below DST."""

    row: int
    source: Path
    target: str
    size: int
    status: str


class Ledger:
    """The rows of one job. One process writes, the others only ask for phrases."""

    def __init__(self, path: Path) -> None:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._db = sqlite3.connect(path, timeout=60, isolation_level=None)
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(_TABLES)
        except sqlite3.DatabaseError:
            self._db.close()
            raise InputError(
                "the job's ledger is damaged or in use; take its folder away"
            ) from None

    def setting(self, name: str, value: str | None = None) -> str | None:
        """Return what was noted under `name`, after noting `value` if one is given."""
        if value is not None:
            self._db.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (name, value))
        row = self._db.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def add(self, source: Path, kind: str, size: int, changed: int) -> None:
        """Note a source file; one that has changed since it was done is done again."""
        self._db.execute(
            """INSERT INTO file (source, kind, size, changed) VALUES (?, ?, ?, ?)
            ON CONFLICT (source) DO UPDATE SET kind = excluded.kind, size = excluded.size,
                changed = excluded.changed, status = '', instance = NULL
            WHERE size IS NOT excluded.size OR changed IS NOT excluded.changed""",
            (os.fsencode(source), kind, size, changed),
        )
        self._db.execute("INSERT OR IGNORE INTO met VALUES (?)", (os.fsencode(source),))

    def settle_gone(self) -> None:
        """Note files that were not added again in this run as gone, and forget what they held.

        What lies below a folder that could not be listed counts as there.

        Raises
        ------
        InputError
            If nothing at all is there: a folder that is not mounted looks like that.
        """
        met, done = self.table("SELECT (SELECT count(*) FROM met), count(*) FROM file")[0]
        if done and not met:
            raise InputError("SRC is empty now, and no output was withdrawn; is it mounted?")
        for (folder,) in self.table(
            "SELECT source FROM met JOIN file USING (source) WHERE kind = 'closed'"
        ):
            below = b"" if folder == b"." else folder + os.fsencode(os.sep)
            self._db.execute(
                "INSERT OR IGNORE INTO met SELECT source FROM file WHERE substr(source, 1, ?) = ?",
                (len(below), below),
            )
        gone = "FROM file WHERE source NOT IN (SELECT source FROM met)"
        for table in _OF_A_SOURCE:
            self._db.execute(f"DELETE FROM {table} WHERE row IN (SELECT row {gone})")
        self._db.execute(
            f"UPDATE file SET status = 'gone', instance = NULL, space = NULL "
            f"WHERE row IN (SELECT row {gone})"
        )

    def examined(
        self,
        row: int,
        kind: str,
        instance: bytes | None = None,
        phrases: Iterable[bytes] = (),
        places: tuple[bytes | None, bytes | None] = (None, None),
        owner: tuple[bytes, bytes] = (b"", b""),
        words: Iterable[bytes] = (),
    ) -> None:
        """Note what one file is; all else are digests.

        Its instance, the phrases of its identity, for images that may show a face its series
        and the space (frame of reference) that the series lies in, its study and owner, and
        the words of its text. A word that a second patient's text says belongs to nobody.
        """
        self._db.execute(
            "UPDATE file SET kind = ?, instance = ?, series = ?, space = ? WHERE row = ?",
            (kind, instance, *places, row),
        )
        self._db.executemany("INSERT OR IGNORE INTO phrase VALUES (?)", ((p,) for p in phrases))
        self._db.executemany(
            """INSERT INTO word VALUES (?, ?) ON CONFLICT DO UPDATE SET who = NULL
            WHERE who <> excluded.who""",
            ((word, owner[1]) for word in words),
        )
        self._db.execute("INSERT OR REPLACE INTO owner VALUES (?, ?, ?)", (row, *owner))

    def status(self, source: Path) -> str | None:
        """Return what became of a source file; None of one that is not in the ledger."""
        query = "SELECT status FROM file WHERE source = ?"
        row = self._db.execute(query, (os.fsencode(source),)).fetchone()
        return None if row is None else str(row[0])

    def statuses(self) -> dict[str, int]:
        """Return the number of source files of each status."""
        return dict(self.table("SELECT status, count(*) FROM file GROUP BY status ORDER BY 1"))

    def unsent(self) -> list[tuple[int, str]]:
        """Return row and output of some of the files that are done and were not yet sent on."""
        return self.table(
            """SELECT row, target FROM file WHERE status = 'done'
            AND row NOT IN (SELECT row FROM sent) ORDER BY row LIMIT 500"""
        )

    def note_sent(self, row: int, *, refused: bool) -> None:
        """Note the output of a file as sent on, or as refused by the receiver."""
        self._db.execute("INSERT OR REPLACE INTO sent VALUES (?, ?)", (row, refused))

    def forget_refusals(self) -> None:
        """Have what a receiver refused sent again."""
        self._db.execute("DELETE FROM sent WHERE refused")

    def count_sent(self) -> tuple[int, int, int]:
        """Return how many outputs were taken, refused, and not yet sent."""
        taken, refused = self.table("SELECT total(NOT refused), total(refused) FROM sent")[0]
        done = self.table("SELECT count(*) FROM file WHERE status = 'done'")[0][0]
        return int(taken), int(refused), int(done - taken - refused)

    def settle(self, row: int, status: str) -> None:
        """Note a file as one that gets no output of its own."""
        self._db.execute("UPDATE file SET status = ?, target = '' WHERE row = ?", (status, row))

    def settle_kinds(self, done: tuple[str, ...]) -> None:
        """Settle all open files of kinds that are not to be `done`: the kind is their status."""
        marks = ", ".join("?" * len(done))
        self._db.execute(
            f"UPDATE file SET status = kind WHERE status = '' AND kind NOT IN ({marks})", done
        )

    def reopen(self, row: int | None = None) -> None:
        """Note one file, or all that got no output, as still to be done."""
        if row is not None:
            self._db.execute("UPDATE file SET status = '' WHERE row = ?", (row,))
            return
        self._db.execute("UPDATE file SET status = '' WHERE status <> 'done' AND source IN met")
        self._db.execute("UPDATE file SET kind = 'file' WHERE kind = 'unreadable'")

    def withdraw(self) -> list[str]:
        """Return, and forget, the outputs of files that are gone or are to be done again.

        What came of a file must not outlive what it came of.
        """
        with self.together():
            gone = self._db.execute(
                """SELECT DISTINCT target FROM file WHERE status IN ('', 'gone') AND target <> ''
                AND target NOT IN (SELECT target FROM file WHERE status = 'done')"""
            ).fetchall()
            self._db.execute("UPDATE file SET target = '' WHERE status IN ('', 'gone')")
        return [str(target) for (target,) in gone]

    def made(self, target: str) -> bool:
        """Tell whether a path below DST is the output of a file that is done."""
        query = "SELECT 1 FROM file WHERE target = ? AND status = 'done'"
        return self._db.execute(query, (target,)).fetchone() is not None

    def point_copies(self) -> None:
        """Give every file that was seen twice the target of the first of its kind."""
        self._db.execute(
            """UPDATE file SET target = coalesce((SELECT first.target FROM file AS first
                WHERE first.instance = file.instance AND first.copies = file.copies
                AND first.status = 'done'), '') WHERE status = 'duplicate'"""
        )

    def count_open(self, kind: str = "%") -> int:
        """Return how many files are still to be done."""
        query = "SELECT count(*) FROM file WHERE status = '' AND kind LIKE ?"
        return int(self._db.execute(query, (kind,)).fetchone()[0])

    def record(self, done: Outcome) -> None:
        """Note what became of a file, in place of what an earlier run noted."""
        for table in _OF_A_ROW:
            self._db.execute(f"DELETE FROM {table} WHERE row = ?", (done.row,))
        self._db.execute(
            "UPDATE file SET status = ?, target = ?, target_size = ? WHERE row = ?",
            (done.status, done.target, done.size, done.row),
        )
        many = self._db.executemany
        many(
            "INSERT INTO action VALUES (?, ?, ?, ?)",
            [(done.row, *what, n) for what, n in done.actions.items()],
        )
        many("INSERT INTO kind VALUES (?, ?, ?)", [(done.row, *k) for k in done.kinds.items()])
        many("INSERT INTO finding VALUES (?, ?, ?, ?)", [(done.row, *f) for f in done.findings])
        many("INSERT INTO unchecked VALUES (?, ?)", [(done.row, what) for what in done.unchecked])
        many("INSERT INTO box VALUES (?, ?)", [(done.row, json.dumps(box)) for box in done.boxes])
        if done.head:
            self.note_head(done.row, done.head)
        many("INSERT OR IGNORE INTO text (place, text) VALUES (?, ?)", done.kept)
        many(
            """INSERT OR IGNORE INTO text_kept
            SELECT ?, number FROM text WHERE place = ? AND text = ?""",
            [(done.row, *kept) for kept in done.kept],
        )

    def note_head(self, row: int, report: Mapping[str, Any]) -> None:
        """Note what was measured on a head that was cut; `row` is that of its first file."""
        figures = [report.get(name) for name in _MEASURED]
        warnings = json.dumps(report.get("warnings", []))
        self._db.execute(
            "INSERT OR REPLACE INTO head VALUES (?, ?, ?, ?, ?, ?)", (row, *figures, warnings)
        )

    def heads(self) -> dict[str, Any]:
        """Return how many heads were cut, the worst figures of all, and all warnings."""
        names = ("cut", "residual_face", "brain_changed", "head_kept", "least_ml", "most_ml")
        rows = self._db.execute(
            """SELECT count(*), max(residual_face), max(brain_changed), min(head_kept),
            min(volume_ml), max(volume_ml) FROM head"""
        ).fetchone()
        said = (json.loads(text) for (text,) in self._db.execute("SELECT warnings FROM head"))
        warnings = list(dict.fromkeys(warning for warnings in said for warning in warnings))
        return dict(zip(names, rows, strict=True)) | {"warnings": warnings}

    def open_entries(self, kind: str = "%") -> Iterator[Entry]:
        """Give the files that are still to be done, in steps of bounded memory."""
        last, query = 0, "WHERE row > ? AND status = '' AND kind LIKE ? ORDER BY row LIMIT 500"
        while page := self._entries(f"row, {_ENTRY} FROM file {query}", last, kind):
            last = page[-1].row
            yield from page

    def rows(self) -> Iterator[_Row]:
        """Give all rows, in steps of bounded memory."""
        last = 0
        while page := self._db.execute(
            """SELECT row, source, target, target_size, status FROM file
            WHERE row > ? ORDER BY row LIMIT 500""",
            (last,),
        ).fetchall():
            last = page[-1][0]
            yield from (_Row(n, Path(os.fsdecode(source)), *rest) for n, source, *rest in page)

    def same_instances(self) -> Iterator[list[Entry]]:
        """Give the groups of files that say they are the same instance, by row."""
        groups = self._db.execute(
            """SELECT instance FROM file WHERE instance IS NOT NULL
            GROUP BY instance HAVING count(*) > 1 AND sum(status = '') > 0"""
        ).fetchall()
        for group in groups:
            yield self._entries(f"row, {_ENTRY} FROM file WHERE instance = ? ORDER BY row", *group)

    def open_spaces(self) -> Iterator[list[list[Entry]]]:
        """Give the series of each space in which something is to be done, largest first."""
        for space in self._db.execute(f"SELECT DISTINCT space {_OPEN_SPACES}").fetchall():
            series = self._db.execute(
                f"""SELECT series FROM file WHERE space = ? AND {_WANTED}
                GROUP BY series ORDER BY count(*) DESC, min(row)""",
                space,
            ).fetchall()
            query = f"row, {_ENTRY} FROM file WHERE series = ? AND {_WANTED} ORDER BY row"
            yield [self._entries(query, number) for (number,) in series]

    def count_spaces(self) -> int:
        """Return the number of spaces that `open_spaces` gives."""
        query = f"SELECT count(DISTINCT space) {_OPEN_SPACES}"
        return int(self._db.execute(query).fetchone()[0])

    def _entries(self, query: str, *values: Any) -> list[Entry]:
        """Return the files that a query gives by row and `_ENTRY`."""
        rows = self._db.execute(f"SELECT {query}", values).fetchall()
        return [Entry(row, Path(os.fsdecode(source)), *rest) for row, source, *rest in rows]

    def divided_studies(self) -> Iterator[list[Entry]]:
        """Give, for each study whose files name several owners, the first file of each."""
        studies = self._db.execute(
            "SELECT study FROM owner GROUP BY study HAVING count(DISTINCT owner) > 1"
        ).fetchall()
        for study in studies:
            yield self._entries(
                f"""min(row), {_ENTRY} FROM owner JOIN file USING (row)
                WHERE study = ? AND kind = 'dicom' GROUP BY owner ORDER BY 1""",
                *study,
            )

    def rows_of(self, place: str) -> list[int]:
        """Return the rows of one owner's files in one study, both in hexadecimal digits."""
        query = "SELECT row FROM owner WHERE study = ? AND owner = ?"
        digests = tuple(map(bytes.fromhex, place.split()))
        return [row for (row,) in self._db.execute(query, digests)]

    def boxes(self) -> Iterator[str]:
        """Give the boxes found in pixels, each as JSON, by row."""
        for (cells,) in self._db.execute("SELECT cells FROM box ORDER BY row"):
            yield cells

    def number_copy(self, row: int, number: int) -> None:
        """Note a file as another form of an instance: its output's name gets the number."""
        self._db.execute("UPDATE file SET copies = ? WHERE row = ?", (number, row))

    def table(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of one of the report's questions; see `medlab.pipeline.job_report`."""
        return self._db.execute(query).fetchall()

    def findings(self) -> Iterator[tuple[int, str, str, str]]:
        """Give all findings: row, severity, message, place; by row."""
        yield from self._db.execute(
            "SELECT row, severity, message, place FROM finding ORDER BY row, rowid"
        )

    def kept_texts(self) -> Iterator[tuple[str, str, int, int]]:
        """Give all kept texts: element, text, number of files, first row; rare ones first."""
        yield from self._db.execute(
            """SELECT place, text, count(*) AS files, min(row) FROM text_kept JOIN text
            USING (number) GROUP BY number ORDER BY files, place, text"""
        )

    def write_phrases(self, path: Path) -> None:
        """Write the phrases into a file of their own, which stays as it is while workers read."""
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        self._db.execute("ATTACH ? AS words", (str(path),))
        self._db.execute("CREATE TABLE words.phrase (digest BLOB PRIMARY KEY) WITHOUT ROWID")
        self._db.execute(
            "INSERT INTO words.phrase SELECT digest FROM phrase"
            " UNION SELECT digest FROM word WHERE who IS NULL"
        )
        self._db.execute("DETACH words")

    def together(self) -> AbstractContextManager[None]:
        """Write what is done within it at once, or, on an error, not at all."""
        return transaction(self._db)

    def forget(self) -> None:
        """Forget everything: the job begins anew."""
        for table in ("about", "file", "phrase", "word", "text", "sent", *_OF_A_SOURCE):
            self._db.execute(f"DELETE FROM {table}")

    def close(self) -> None:
        """Close the file."""
        self._db.close()


@lru_cache(maxsize=65536)  # the files of a series say the same
def phrase_digest(key: bytes, phrase: str) -> bytes:
    """Return the form in which the ledger keeps an ID or a full name."""
    return keyed_digest(key, "phrase", phrase)[:16]


class Phrases:
    """The IDs and full names of all patients of the job: ``phrase in phrases``, from disk."""

    def __init__(self, path: Path, key: bytes) -> None:
        # immutable: no locks and no journal, so that a shared folder will do
        where = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        self._db = sqlite3.connect(where, uri=True)

        @lru_cache(maxsize=65536)  # the files of a series say the same
        def is_known(phrase: str) -> bool:
            query = "SELECT 1 FROM phrase WHERE digest = ?"
            return self._db.execute(query, (phrase_digest(key, phrase),)).fetchone() is not None

        self._is_known = is_known

    def __contains__(self, phrase: object) -> bool:
        return isinstance(phrase, str) and self._is_known(phrase)

    def close(self) -> None:
        """Close the file."""
        self._db.close()
