"""What user code sees and what becomes of what it does: /pfs, environment, exit codes, outputs."""

from __future__ import annotations

import re

import pytest
from pachyderm_sdk.api import pfs, pps

from tests.compat.driving import Driver, head, refused


def test_layout_and_environment(driver: Driver) -> None:
    put = driver.put("in", {"/a/x": b"one", "/a/y/z": b"two", "/b/x": b"no"})
    driver.create(
        "env",
        driver.input("in", "/a/*"),
        'name=$(basename "$in"); env > /pfs/out/env-$name; cp /pfs/.env /pfs/out/file-$name\n'
        "find -L /pfs/in -type f > /pfs/out/tree-$name; ls /pfs > /pfs/out/ls-$name",
        transform={"env": {"MINE": "yes it is", "PACH_JOB_ID": "mine"}},
    )
    job = driver.job("env")
    assert job.state == pps.JobState.JOB_SUCCESS, job.reason
    assert driver.text("env", "/tree-x") == "/pfs/in/a/x\n"
    assert driver.text("env", "/tree-y") == "/pfs/in/a/y/z\n"
    assert driver.text("env", "/ls-x").split() == ["in", "out"]
    lines = driver.text("env", "/env-x").splitlines()
    seen = dict(line.split("=", 1) for line in lines if "=" in line)
    datum = next(each for each in driver.datums("env") if each.data[0].file.path == "/a/x")
    assert seen["in"] == "/pfs/in/a/x"
    assert seen["in_COMMIT"] == put.id
    assert seen["PACH_DATUM_ID"] == datum.datum.id
    assert seen["PACH_JOB_ID"] == seen["PACH_OUTPUT_COMMIT_ID"] == job.job.id
    assert seen["MINE"] == "yes it is"
    assert seen["PPS_PIPELINE_NAME"] == driver.named("env")
    assert seen["PPS_PROJECT_NAME"] == "default"
    spec = driver.client.pps.inspect_pipeline(pipeline=driver.pipeline("env")).spec_commit
    assert seen["PPS_SPEC_COMMIT"] == spec.id
    assert seen["PACH_IN_WORKER"] == "true"
    assert {"PPS_POD_NAME", "HOME"} <= seen.keys()
    assert not any("TOKEN" in key or "DASSIE" in key for key in seen)
    saved = dict(line.split("=", 1) for line in driver.text("env", "/file-x").splitlines())
    assert saved["in"] == "/pfs/in/a/x"
    assert saved["PACH_DATUM_ID"] == datum.datum.id


def test_a_directory_datum_has_a_trailing_slash(driver: Driver) -> None:
    driver.put("in", {"/d/x": b"1", "/d/y": b"2"})
    driver.create(
        "p", driver.input("in", "/*"), 'echo "$in" > /pfs/out/env; cat $in/x >> /pfs/out/env'
    )
    assert driver.job("p").state == pps.JobState.JOB_SUCCESS
    assert re.fullmatch(r"/pfs/in/d/?\n1", driver.text("p", "/env"))
    (datum,) = driver.datums("p")
    assert datum.data[0].file.path == "/d/"
    assert datum.data[0].size_bytes == 2


def test_stdin_is_lines_and_absent_stdin_is_empty(driver: Driver) -> None:
    driver.put("in", {"/f": b""})
    whole = driver.input("in", "/")
    driver.create(
        "cat", whole, transform={"cmd": ["sh", "-c", "cat > /pfs/out/o"], "stdin": ["a", "b c"]}
    )
    driver.create("none", whole, transform={"cmd": ["sh", "-c", "cat > /pfs/out/o"], "stdin": []})
    big = {"cmd": ["true"], "stdin": ["x" * 100_000] * 4}
    driver.create("unread", whole, transform=big)
    for each in ("cat", "none", "unread"):
        assert driver.job(each).state == pps.JobState.JOB_SUCCESS
    assert driver.text("cat", "/o") == "a\nb c\n"
    assert driver.text("none", "/o") == ""


def test_working_dir_and_no_shell(driver: Driver) -> None:
    driver.put("in", {"/f": b""})
    whole = driver.input("in", "/")
    driver.create("wd", whole, "pwd > /pfs/out/pwd", transform={"working_dir": "/usr/lib"})
    touch = {"cmd": ["touch", "/pfs/out/$HOME *"], "stdin": []}
    driver.create("argv", whole, transform=touch)
    assert driver.job("wd").state == driver.job("argv").state == pps.JobState.JOB_SUCCESS
    assert driver.text("wd", "/pwd") == "/usr/lib\n"
    assert driver.paths("argv") == ["/$HOME *"]


def test_accepted_codes_and_errors_handled(driver: Driver) -> None:
    driver.put("in", {"/bad": b"", "/good": b""})
    files = driver.input("in")
    accept = {"accept_return_code": [3, 7]}
    driver.create("accept", files, "echo x > /pfs/out/$(basename $in); exit 7", transform=accept)
    handled = {"err_cmd": ["sh"], "err_stdin": ['echo "handling $in"']}
    script = "touch /pfs/out/$(basename $in); [ -e /pfs/in/good ]"
    driver.create("handled", files, script, transform=handled, datum_tries=2)
    driver.create("failed", files, script, transform={"err_cmd": ["false"]}, datum_tries=2)
    assert driver.job("accept").state == pps.JobState.JOB_SUCCESS
    assert driver.paths("accept") == ["/bad", "/good"]
    job = driver.job("handled")
    assert job.state == pps.JobState.JOB_SUCCESS
    assert (job.data_processed, job.data_recovered, job.data_failed) == (1, 1, 0)
    assert driver.paths("handled") == ["/good"]
    states = {each.data[0].file.path: each.state for each in driver.datums("handled")}
    assert states == {"/bad": pps.DatumState.RECOVERED, "/good": pps.DatumState.SUCCESS}
    job = driver.job("failed")
    assert job.state == pps.JobState.JOB_FAILURE
    assert (job.data_processed, job.data_failed, job.data_total) == (1, 1, 2)
    (bad,) = [each for each in driver.datums("failed") if each.state == pps.DatumState.FAILED]
    assert job.reason.startswith(f"datum {bad.datum.id} failed")
    logs = driver.client.pps.get_logs(pipeline=driver.pipeline("handled"))
    assert any(line.message.strip().startswith("handling /pfs/in/bad") for line in logs)


def test_lazy_and_empty_files(driver: Driver) -> None:
    driver.put("in", {"/f": b"content", "/unread": b"x"})
    script = (
        'for f in /pfs/in/*; do stat -L -c "%F %s" $f; done > /pfs/out/kinds\n'
        "[ ! -p /pfs/in/f ] || cat /pfs/in/f > /pfs/out/read\n"
        "ln -s /pfs/in/f /pfs/out/linked"
    )
    driver.create("lazy", driver.input("in", "/", lazy=True), script)
    driver.create("empty", driver.input("in", "/", empty_files=True), script)
    for each in ("lazy", "empty"):
        assert driver.job(each).state == pps.JobState.JOB_SUCCESS
        assert driver.text(each, "/linked") == "content"
    assert driver.text("lazy", "/kinds") == "fifo 0\n" * 2
    assert driver.text("lazy", "/read") == "content"
    assert driver.text("empty", "/kinds") == "regular empty file 0\n" * 2


def test_cross_and_union(driver: Driver) -> None:
    driver.put("a", {"/1": b"", "/2": b""})
    driver.put("b", {"/x": b"", "/y": b"", "/z": b""})
    script = 'touch "/pfs/out/$(basename "${a:-none}")-$(basename "${b:-none}")"'
    both = [driver.input("a"), driver.input("b")]
    driver.create("cross", {"cross": both}, script)
    driver.create("union", {"union": both}, script)
    same = [{"pfs": {**each["pfs"], "name": "same"}} for each in both]
    driver.create("same", {"union": same}, "cp -r /pfs/same/* /pfs/out/")
    driver.create(
        "nested",
        {"cross": [{"union": same}, driver.input("b", "/x")]},
        "ls -d /pfs/*/* > /pfs/out/$PACH_DATUM_ID",
    )
    job = driver.job("cross")
    assert (job.state, job.data_total) == (pps.JobState.JOB_SUCCESS, 6)
    assert driver.paths("cross") == [f"/{a}-{b}" for a in "12" for b in "xyz"]
    assert driver.job("union").data_total == 5
    assert driver.paths("union") == ["/1-none", "/2-none", "/none-x", "/none-y", "/none-z"]
    assert driver.job("same").state == pps.JobState.JOB_SUCCESS
    assert driver.paths("same") == ["/1", "/2", "/x", "/y", "/z"]
    assert driver.job("nested").data_total == 5


def test_a_self_cross_montage(driver: Driver) -> None:
    driver.put("in", {"/1": b"one"})
    again = {"pfs": {**driver.input("in", "/")["pfs"], "name": "other"}}
    driver.create(
        "p", {"cross": [driver.input("in", "/"), again]}, "cat /pfs/in/1 /pfs/other/1 > /pfs/out/o"
    )
    assert driver.job("p").data_total == 1
    assert driver.text("p", "/o") == "oneone"


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("ln -s /nowhere /pfs/out/l", "/l"),
        ("mkfifo /pfs/out/p", "/p"),
        ("printf x > \"/pfs/out/$(printf '\\377')\"", "cannot be represented in PFS"),
        ("echo x > /pfs/out/f; exit 9", "9"),
        ("exec no-such-program-there", "127|not found"),
    ],
)
def test_outputs_that_fail_a_datum(driver: Driver, script: str, says: str) -> None:
    driver.put("in", {"/f": b""})
    driver.create("p", driver.input("in"), script, datum_tries=1)
    job = driver.job("p")
    assert job.state == pps.JobState.JOB_FAILURE
    (datum,) = driver.datums("p")
    assert datum.state == pps.DatumState.FAILED
    info = driver.client.pps.inspect_datum(datum=datum.datum)
    assert info.state == pps.DatumState.FAILED
    assert re.search(says, job.reason), job.reason
    assert driver.client.pfs.inspect_commit(commit=head(driver.named("p"))).error


def test_no_command(driver: Driver) -> None:
    driver.put("in", {"/f": b""})
    with refused("INVALID_ARGUMENT", "no command specified"):
        driver.create("p", driver.input("in"), transform={"cmd": [], "stdin": []})
    assert not driver.client.pps.pipeline_exists(pipeline=driver.pipeline("p"))


def test_outputs_that_vanish_or_are_followed(driver: Driver) -> None:
    driver.put("in", {"/d/f": b"data"})
    script = (
        "mkdir -p /pfs/out/empty/dir /pfs/out/real /tmp/made; echo local > /tmp/made/l\n"
        "ln -s /pfs/in/d/f /pfs/out/file; ln -s /pfs/in/d /pfs/out/dir\n"
        "ln -s /tmp/made /pfs/out/loc\n"
        "ln -s ../in/d/f /pfs/out/relative; printf 'r' > /pfs/out/real/é; (sleep 60 &)"
    )
    driver.create("p", driver.input("in", "/"), script)
    job = driver.job("p")
    assert job.state == pps.JobState.JOB_SUCCESS, job.reason
    assert driver.paths("p") == ["/dir/f", "/file", "/loc/l", "/real/é", "/relative"]
    assert driver.text("p", "/relative") == driver.text("p", "/dir/f") == "data"
    assert driver.text("p", "/loc/l") == "local\n"


def test_timeouts(driver: Driver) -> None:
    driver.put("in", {"/f": b""})
    files = driver.input("in")
    driver.create("datum", files, "sleep 60 & sleep 60", datum_timeout="0.3s", datum_tries=1)
    driver.create("job", files, "sleep 60", job_timeout="0.5s")
    job = driver.job("datum")
    assert job.state == pps.JobState.JOB_FAILURE
    assert job.reason.startswith("datum ")
    job = driver.job("job")
    assert job.state == pps.JobState.JOB_KILLED
    assert "timed out" in job.reason


def test_tries_start_afresh(driver: Driver) -> None:
    driver.put("in", {"/f": b""})
    script = (
        "count=$(cat /tmp/$PPS_PIPELINE_NAME 2>/dev/null || echo 0); ls /pfs/out > /tmp/left\n"
        "echo $((count + 1)) > /tmp/$PPS_PIPELINE_NAME; touch /pfs/out/try-$count\n"
        "[ $count -ge 2 ]\n"
        "cp /tmp/left /pfs/out/left"
    )
    driver.create("p", driver.input("in"), script)
    assert driver.job("p").state == pps.JobState.JOB_SUCCESS
    assert driver.paths("p") == ["/left", "/try-2"]
    assert driver.text("p", "/left") == ""


def test_statistics_of_job_and_datum(driver: Driver) -> None:
    driver.put("in", {"/f": b"12345", "/g": b"1234567"})
    driver.create("p", driver.input("in"), 'cat $in $in > "/pfs/out/$(basename $in)"')
    job = driver.job("p")
    assert (job.data_processed, job.data_skipped, job.data_total) == (2, 0, 2)
    assert (job.stats.download_bytes, job.stats.upload_bytes) == (12, 24)
    assert job.started <= job.finished
    assert job.output_commit.id == job.job.id
    assert job.pipeline_version == 1
    assert job.details.input.pfs.commit
    datum = next(each for each in driver.datums("p") if each.data[0].file.path == "/g")
    info = driver.client.pps.inspect_datum(datum=datum.datum)
    assert (info.stats.download_bytes, info.stats.upload_bytes) == (7, 14)
    assert info.pfs_state.commit.repo.type == "meta"
    shown = [each.file.path for each in driver.client.pfs.walk_file(file=info.pfs_state)]
    assert f"/pfs/{datum.datum.id}/out/g" in "\n".join(shown)


def test_the_meta_repo_shows_datums(driver: Driver) -> None:
    driver.put("in", {"/f": b"data"})
    driver.create("p", driver.input("in"), "cp /pfs/in/f /pfs/out/o")
    job = driver.job("p")
    (datum,) = driver.datums("p")
    meta = pfs.Commit(repo=head(driver.named("p"), kind="meta").repo, id=job.job.id)
    files = driver.client.pfs.walk_file(file=pfs.File(commit=meta, path="/"))
    paths = [each.file.path for each in files if each.file_type == pfs.FileType.FILE]
    id_ = datum.datum.id
    assert paths == [f"/meta/{id_}/meta", f"/pfs/{id_}/in/f", f"/pfs/{id_}/out/o"]
