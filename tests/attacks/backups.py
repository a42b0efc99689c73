"""Attacks on backups: raters who save, kills, flipped bits, databases of alike names.

    PYTHONPATH=.:tests:tests/fixtures:tests/benchmarks python tests/attacks/backups.py [DATABASE]

Takes some minutes, most of them to build the large database (an argument names one that is there:
a copy of it is used). Prints what each attempt measured, and ends with status 1 when a bar is
missed.
"""

import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

from large_study import build
from storage_fixtures import answers_shown_to, entry, new_raters, new_study

from storage import StorageError, Store, Writer, chain_ends, list_backups, make_backup, restore

from storage import save_in, save_ratings, verify  # isort: skip
from storage.backup_timer import start_backup

QUESTIONS, RATERS = 1000, 50  # about 220 MiB
SAVES_PER_SECOND, SAVERS, MAX_SECONDS = 50, 10, 20.0
failures: list[str] = []


def judge(attempt: str, measured: str, holds: bool) -> None:
    print(f"{'holds' if holds else 'FAILS'}  {attempt}: {measured}", flush=True)
    if not holds:
        failures.append(attempt)


def rows_in(path: Path) -> int:
    """The ratings of a whole database; -1 of one that does not verify."""
    store = Store(path, must_exist=True)
    return -1 if verify(store) else sum(end.rows for end in chain_ends(store))


@contextmanager
def savers(store: Store) -> Iterator[list[tuple[float, float]]]:
    """Let raters save through a Writer; yields when each save began and how long it took."""
    raters = new_raters(store, new_study(store, questions=50, name=f"Savers {time.time()}"), SAVERS)
    writer, done, saves = Writer(store), threading.Event(), []

    def work(number: int) -> None:
        items = [answer.item for answer in answers_shown_to(store, raters[number])]
        while not done.is_set():
            began = time.perf_counter()
            sent = [entry(items[len(saves) % len(items)], f"{number} {began}")]
            save = partial(save_in, rater_id=raters[number].id, entries=sent)
            writer.submit(save).result(60)
            saves.append((began, time.perf_counter() - began))
            done.wait(SAVERS / SAVES_PER_SECOND - saves[-1][1])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(SAVERS)]
    for thread in threads:
        thread.start()
    yield saves
    done.set()
    for thread in threads:
        thread.join()
    writer.close()


def speed_of(saves: list[tuple[float, float]], start: float) -> str:
    times = sorted(took for began, took in saves if began >= start)
    rate = len(times) / (time.perf_counter() - start)
    return f"{rate:.0f} saves/s, 95 % within {1000 * times[int(0.95 * len(times))]:.0f} ms"


def back_up_while_raters_save(store: Store, folder: Path) -> None:
    with savers(store) as saves:
        start = time.perf_counter()
        time.sleep(10)
        print(f"       without a backup: {speed_of(saves, start)}", flush=True)
        for number in range(3):
            start, before = time.perf_counter(), getrusage(RUSAGE_CHILDREN).ru_utime
            with start_backup(store, folder) as process:
                done = process.wait() == 0
            seconds, speed = time.perf_counter() - start, speed_of(saves, start)
            processor = getrusage(RUSAGE_CHILDREN).ru_utime - before
            measured = f"{seconds:.1f} s ({processor:.1f} s of a processor); {speed}"
            holds = done and seconds <= MAX_SECONDS
            judge(f"backup {number + 1} while raters save", measured, holds)
    made = {
        path.stat().st_size // 2**20: rows_in(path) for path in list_backups(store.path, folder)
    }
    judge("they are whole", f"MiB and ratings: {made}", -1 not in made.values())


def kill_at_random(folder: Path) -> Store:
    """Backups and restores of a small database; the restored one has fewer ratings."""
    store = Store(folder / "medchat.db")
    old = rate_all(store, "Old")
    source = make_backup(store, folder / "source")
    new = old + rate_all(store, "New")
    full = shutil.copy(store.path, folder / "full.db")
    draw, outcomes, killed = random.Random(1), [], 0
    while killed < 20:
        shutil.copy(full, store.path)
        to = f"--to={folder / 'made'}"
        arguments = ["backup", to] if len(outcomes) % 2 else ["restore", source]
        command = [sys.executable, "-m", "storage", *arguments, f"--db={store.path}"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            time.sleep(draw.uniform(0.5, 2.0))
            process.kill()
        killed += process.returncode < 0
        rows = [rows_in(path) for path in (store.path, *list_backups(store.path, folder / "made"))]
        outcomes.append(set(rows) <= {old, new})
    make_backup(store, folder / "made")
    left = [path.name for path in (folder / "made").iterdir() if "partial" in path.name]
    measured = f"{sum(outcomes)} of {len(outcomes)} tries whole, {len(left)} halves left"
    judge("20 kills", measured, all(outcomes) and not left)
    return store


def rate_all(store: Store, name: str) -> int:
    (rater,) = new_raters(store, new_study(store, questions=300, name=name), 1)
    entries = [entry(answer.item, answer.item) for answer in answers_shown_to(store, rater)]
    return save_ratings(store, rater.id, entries).written


def flip_bits(store: Store, folder: Path) -> None:
    made = make_backup(store, folder)
    content, draw, restored = made.read_bytes(), random.Random(2), 0
    for _ in range(200):
        position, bit = draw.randrange(len(content)), draw.randrange(8)
        flipped = bytes([content[position] ^ 1 << bit])
        made.write_bytes(content[:position] + flipped + content[position + 1 :])
        with suppress(StorageError):
            restore(made, folder / "restored.db")
            restored += 1
    judge("200 flipped bits", f"{restored} of them restored", restored == 0)


def share_a_folder(folder: Path) -> None:
    stores = [Store(folder / name) for name in ("medchat.db", "medchat-pilot.db", "b/medchat.db")]
    made = [[make_backup(store, folder / "shared", keep=2) for store in stores] for _ in range(4)]
    newest = [path.exists() for row in made[2:] for path in row]
    judge("three databases, one folder", f"{sum(newest)} of the 6 newest there", all(newest))


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="medchat-attack-") as name:
        share_a_folder(Path(name, "alike"))
        flip_bits(kill_at_random(Path(name, "kills")), Path(name, "bits"))
        large = Path(name, "large.db")
        if sys.argv[1:]:
            shutil.copy(sys.argv[1], large)
        else:
            build(Store(large), QUESTIONS, RATERS)
        back_up_while_raters_save(Store(large), Path(name, "backups"))
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
