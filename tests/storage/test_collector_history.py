"""Random histories of uploads, deletions, time and collection: what is published stays whole."""

import random
from contextlib import ExitStack
from datetime import timedelta

import pytest

from dassie.storage.check import Checker
from dassie.storage.gc import Collector, Policy
from dassie.storage.types import EMPTY_DIR, Delete, Put

POLICY = Policy(
    grace=timedelta(hours=1), tiny_count=3, tiny_bytes=4000, repack_below=0.8, forget=timedelta(1)
)


class History:
    """A store, what must be in it, and uploads on their way."""

    def __init__(self, storage, db, clock, seed):
        self.storage, self.db, self.clock = storage, db, clock
        self.random = random.Random(seed)
        self.pool = [self.random.randbytes(self.random.randint(1, 3000)) for _ in range(60)]
        self.roots = [(EMPTY_DIR, {})]
        self.open = []
        self.deleted = 0

    def run(self, steps):
        actions = [self.begin] * 4 + [self.write] * 5 + [self.publish] * 3 + [self.drop] * 2
        actions += [self.collect, self.collect, self.wait, self.wait]
        actions += [self.abandon, self.lapse, self.restart]
        for _ in range(steps):
            self.random.choice(actions)()
        while self.open:
            self.publish()
        for _ in range(3):
            self.clock.advance(3 * 3600)
            self.storage.sessions.renew()
            self.collect()
        self.check()

    def begin(self):
        if len(self.open) < 3:
            stack = ExitStack()
            upload = stack.enter_context(self.storage.session())
            root, files = self.random.choice(self.roots)
            self.open.append([stack, upload, root, dict(files)])

    def write(self):
        if not self.open:
            return
        entry = self.random.choice(self.open)
        _, upload, root, files = entry
        edits = []
        for _ in range(self.random.randint(1, 12)):
            path = f"/d{self.random.randrange(3)}/f{self.random.randrange(20)}"
            if self.random.random() < 0.3:
                edits.append(Delete(path))
                files.pop(path, None)
            else:
                data = self.random.choice(self.pool)
                edits.append(Put(path, upload.put(data)))
                files[path] = data
        entry[2] = upload.edit(root, edits)
        if self.random.random() < 0.5:
            upload.flush()

    def publish(self):
        if not self.open:
            return
        stack, upload, root, files = self.open.pop(self.random.randrange(len(self.open)))
        with stack:
            upload.flush()
            with self.db.write() as tx:
                upload.publish(tx)
            self.roots.append((root, files))

    def abandon(self):
        if self.open:
            self.open.pop()[0].close()

    def drop(self):
        if len(self.roots) > 1:
            del self.roots[self.random.randrange(1, len(self.roots))]

    def wait(self):
        self.clock.advance(self.random.randint(60, 3000))
        self.storage.sessions.renew()

    def lapse(self):
        """Nobody renews for long: what is open is lost, and must not be published."""
        if self.random.random() < 0.3:
            while self.open:
                self.abandon()
            self.clock.advance(3 * 3600)
            self.storage.sessions.renew()

    def restart(self):
        self.storage._cache.clear()

    def collect(self):
        roots = [root for root, _ in self.roots]
        self.deleted += len(
            Collector(self.db, self.storage, POLICY).run_once(lambda tx: roots).deleted
        )

    def check(self):
        self.storage._cache.clear()
        checker = Checker(self.db, self.storage, deep=True)
        assert list(checker.packs()) == []
        for root, files in self.roots:
            assert list(checker.tree(root)) == []
            found = {e.path: e.node for e in self.storage.tree.walk(root, "/", dirs=False)}
            assert found.keys() == files.keys()
            read = self.storage.read_many([found[path] for path in sorted(found)])
            assert list(read) == [files[path] for path in sorted(found)]


@pytest.mark.parametrize("seed", range(6))
def test_histories(durable, db, clock, seed):
    history = History(durable, db, clock, seed)
    history.run(200)
    assert history.deleted


def test_collecting_beside_writers(durable, db):
    """The same with threads: uploads, and a collector that condemns all the time."""
    import threading

    stop = threading.Event()
    roots, failures = [(EMPTY_DIR, {})], []
    lock = threading.Lock()

    def upload_all(seed):
        rng = random.Random(seed)
        try:
            for i in range(12):
                files = {f"/{seed}/{i}/{j}": rng.randbytes(400) for j in range(10)}
                files |= {f"/shared/{j}": bytes([j]) * 900 for j in range(5)}
                with durable.session() as upload:
                    root = upload.edit(EMPTY_DIR, [Put(p, upload.put(d)) for p, d in files.items()])
                    upload.flush()
                    with db.write() as tx:
                        upload.publish(tx)
                    with lock:
                        roots.append((root, files))
                        if rng.random() < 0.4:
                            del roots[1]
        except Exception as error:  # noqa: BLE001 - any failure fails the test, in its own thread
            failures.append(error)

    def collect_all():
        collector = Collector(
            db, durable, Policy(grace=timedelta(0), tiny_count=4, repack_below=0.9)
        )
        try:
            while not stop.is_set():
                with lock:
                    current = [root for root, _ in roots]
                collector.run_once(lambda tx, current=current: current)
        except Exception as error:  # noqa: BLE001 - any failure fails the test, in its own thread
            failures.append(error)

    collector = threading.Thread(target=collect_all)
    writers = [threading.Thread(target=upload_all, args=(seed,)) for seed in range(3)]
    for thread in (collector, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    collector.join()
    assert failures == []
    durable._cache.clear()
    for root, files in roots:
        found = {e.path: e.node for e in durable.tree.walk(root, "/", dirs=False)}
        assert dict(zip(found, durable.read_many(list(found.values())), strict=True)) == files
