"""Repeating calls: which, how often, for how long. No test waits."""

import pytest

from dassie.blob.api import BlobNotFound
from dassie.blob.drivers.memory import MemoryStore
from dassie.blob.errors import StoreDenied, StoreThrottled, StoreUnavailable
from dassie.blob.wrappers.base import Wrapper
from dassie.blob.wrappers.retry import RetryPolicy, RetryStore
from dassie.errors import Unavailable


class Failing(Wrapper):
    """Raises the errors of a list, one a call, before it does its work."""

    def __init__(self, errors):
        super().__init__(MemoryStore())
        self.errors = list(errors)
        self.calls = 0

    def _fail(self):
        self.calls += 1
        if self.errors and (error := self.errors.pop(0)):
            raise error

    def put(self, key, parts):
        self._fail()
        super().put(key, parts)

    def get(self, key):
        self._fail()
        return super().get(key)

    def list(self, prefix="", after=""):
        self._fail()
        for number, info in enumerate(super().list(prefix, after)):
            if number == 2:
                self._fail()
            yield info


class Time:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now = 0.0
        self.pauses = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds


def make(errors, policy=None, chance=1.0):
    time, retried = Time(), []
    inner = Failing(errors)
    store = RetryStore(
        inner,
        policy or RetryPolicy(retries=3, total_s=1000, first_s=1, most_s=8),
        retried=retried.append,
        clock=time,
        sleep=time.sleep,
        chance=lambda: chance,
    )
    return store, inner, time, retried


def unavailable(text="reset", after=None):
    return StoreUnavailable(text, f"answer: {text}", after)


def test_passes_after_failures():
    store, inner, time, retried = make([unavailable(), unavailable()])
    store.put("a", [b"1"])
    assert inner.inner.get("a") == b"1"
    assert time.pauses == [1, 2]
    assert retried == ["put", "put"]


def test_backs_off_up_to_a_limit():
    policy = RetryPolicy(retries=6, total_s=1000, first_s=1, most_s=8)
    _, _, time, _ = case = make([unavailable()] * 6, policy)
    case[0].put("a", [b"1"])
    assert time.pauses == [1, 2, 4, 8, 8, 8]


def test_jitter_takes_any_part_of_the_pause():
    store, _, time, _ = make([unavailable()] * 3, chance=0.25)
    store.put("a", [b"1"])
    assert time.pauses == [0.25, 0.5, 1.0]


def test_gives_up_with_the_last_error():
    store, inner, time, _ = make([unavailable(str(n)) for n in range(9)])
    with pytest.raises(
        StoreUnavailable, match=r"^3 \(given up after 4 tries in 7\.0 s\)"
    ) as raised:
        store.get("a")
    assert raised.value.answer == "answer: 3"
    assert inner.calls == 4
    assert len(time.pauses) == 3


def test_total_time_bounds_it():
    policy = RetryPolicy(retries=100, total_s=10, first_s=4, most_s=4)
    store, _, time, _ = make([unavailable()] * 99, policy)
    with pytest.raises(StoreUnavailable, match="3 tries"):
        store.get("a")
    assert time.now == 8


def test_honours_retry_after():
    store, _, time, _ = make([StoreThrottled("slow", "503 SlowDown", 5.0)])
    store.put("a", [b"1"])
    assert time.pauses == [5.0]


def test_retry_after_beyond_the_total_is_final():
    store, inner, _, _ = make([StoreThrottled("slow", "503 SlowDown", 5000.0)])
    with pytest.raises(StoreThrottled, match=r"^slow$") as raised:
        store.put("a", [b"1"])
    assert raised.value.retry_after_s == 5000.0
    assert inner.calls == 1


def test_throttling_waits_longer():
    policy = RetryPolicy(first_s=0.1, throttled_s=2.0)
    assert policy.pause_s(1, StoreThrottled("slow"), 1.0) == 2.0
    assert policy.pause_s(1, unavailable(), 1.0) == pytest.approx(0.1)


@pytest.mark.parametrize(
    "error", [StoreDenied("no"), BlobNotFound("a"), Unavailable("of another layer"), ValueError()]
)
def test_answers_are_not_repeated(error):
    store, inner, time, _ = make([error])
    with pytest.raises(type(error)):
        store.get("a")
    assert inner.calls == 1
    assert time.pauses == []


def test_listing_goes_on_where_it_was():
    store, inner, _, retried = make([None, unavailable()])
    for key in "abcde":
        inner.inner.put(key, [b""])
    assert [info.key for info in store.list()] == list("abcde")
    assert retried == ["list"]


def test_delete_takes_an_iterator_once():
    class Deaf(Failing):
        def delete(self, keys):
            wanted = list(keys)
            self._fail()
            self.inner.delete(wanted)

    inner = Deaf([unavailable()])
    inner.inner.put("a", [b"1"])
    store = RetryStore(inner, RetryPolicy(), sleep=lambda _: None)
    store.delete(iter(["a"]))
    assert list(inner.inner.list()) == []


def test_close_ends_the_waiting():
    policy = RetryPolicy(retries=5, first_s=1000, most_s=1000, total_s=1e9)
    store = RetryStore(Failing([unavailable()] * 9), policy, chance=lambda: 1.0)
    store.close()
    with pytest.raises(StoreUnavailable):
        store.get("a")
