"""Where the settings of the object store come from, source by source."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from dassie.daemon.config import Loaded, load
from dassie.daemon.configuration import pachyderm
from dassie.errors import InvalidArgument
from tests.daemon.memory_files import MemoryFiles

KEYS = {"AWS_ACCESS_KEY_ID": "K", "AWS_SECRET_ACCESS_KEY": "S"}
URL = "s3://bucket/pre/fix?endpoint=https://minio.lab:9000"


def loaded(
    flags: list[str], environment: Mapping[str, str] = {}, files: Mapping[str, str] = {}
) -> Loaded:
    return load(flags, {"HOME": "/h", **environment}, MemoryFiles(files))


def test_one_url_says_it_all() -> None:
    found = loaded(["--storage", URL], KEYS)
    store = found.config.storage
    assert (store.kind, store.bucket, store.prefix) == ("s3", "bucket", "pre/fix")
    assert store.endpoint == "https://minio.lab:9000"
    assert (store.access_key, store.secret_key) == ("K", "S")
    assert (store.region, store.signature, store.addressing) == ("", "", "")
    assert store.cache_folder == "/h/.local/share/dassie/cache"
    assert found.sources["storage"] == "flag --storage"
    assert found.sources["endpoint"] == "flag --storage: endpoint"
    assert found.sources["secret_key"] == "environment AWS_SECRET_ACCESS_KEY"
    assert found.sources["region"] == "default"
    assert found.warnings == ()


def test_the_order_of_sources_for_one_setting() -> None:
    """Each case takes the highest source of the one before away."""
    file = {"/c.toml": '[storage]\nretries = 6\nurl = "s3://in-file?retries=7"\n'}
    flag = ["--storage-retries", "1"]
    url = ["--storage", "s3://b?retries=2"]
    variables = {"DASSIE_STORAGE_RETRIES": "3", **KEYS}
    url_variable = {"DASSIE_STORAGE": "s3://b?retries=4"}
    secret = {"/s/minio-bucket": "b", "/s/retries": "5"}
    named = {"DASSIE_STORAGE_SECRET_FILE": "/s"}
    config = ["--config", "/c.toml"]
    files = file | secret
    for flags, environment, expected in (
        (flag + url + config, variables | url_variable | named, 1),
        (url + config, variables | url_variable | named, 2),
        (config, variables | url_variable | named, 3),
        (config, KEYS | url_variable | named, 4),
        (config, KEYS | named, 5),
        (config, KEYS, 6),
        (["--storage", "s3://b"], KEYS, 5),
    ):
        found = loaded(flags, environment, files)
        assert found.config.storage.retries == expected, (flags, environment)


def test_a_url_that_is_not_chosen_says_nothing() -> None:
    environment = {"DASSIE_STORAGE": "s3://other?region=far&retries=9", **KEYS}
    store = loaded(["--storage", "s3://b"], environment).config.storage
    assert (store.bucket, store.region, store.retries) == ("b", "", 5)


def test_every_pin_has_a_flag_and_a_variable() -> None:
    flags = ["--storage", "s3://b", "--storage-region", "z1-a", "--storage-signature", "v2"]
    flags += ["--storage-ca-file", "~/ca.pem", "--storage-part-size", "8MiB", "--storage-insecure"]
    flags += ["--storage-request-timeout", "2m", "--storage-concurrency", "7"]
    store = loaded(flags, KEYS).config.storage
    assert (store.region, store.signature, store.ca_file) == ("z1-a", "v2", "/h/ca.pem")
    assert (store.part_bytes, store.request_timeout_s, store.concurrency) == (8 << 20, 120, 7)
    assert store.insecure
    environment = {"DASSIE_STORAGE_ADDRESSING": "virtual", "DASSIE_STORAGE_INSECURE": "yes"}
    store = loaded(["--storage", "s3://b"], KEYS | environment).config.storage
    assert (store.addressing, store.insecure) == ("virtual", True)


@pytest.mark.parametrize(
    "content",
    [
        "access_key=K\nsecret_key=S\nsession_token=T\n",
        "# keys\nexport AWS_ACCESS_KEY_ID=K\nAWS_SECRET_ACCESS_KEY='S'\nAWS_SESSION_TOKEN=T",
        json.dumps({"access_key": "K", "secret_key": "S", "session_token": "T"}),
        "amazon-id=K\namazon-secret=S\namazon-token=T",
    ],
)
def test_secret_files_of_every_form(content: str) -> None:
    flags = ["--storage", "s3://b", "--storage-secret-file", "/s"]
    other = {"AWS_ACCESS_KEY_ID": "X", "AWS_SECRET_ACCESS_KEY": "Y"}
    found = loaded(flags, other, {"/s": content})
    store = found.config.storage
    assert (store.access_key, store.secret_key, store.session_token) == ("K", "S", "T")
    assert found.sources["secret_key"] == "file /s"
    assert found.config.secret_paths == ("/s",)


def test_the_environment_wins_over_a_secret_file_that_the_environment_names() -> None:
    environment = KEYS | {"DASSIE_STORAGE_SECRET_FILE": "/s"}
    files = {"/s": "access_key=A\nsecret_key=B"}
    assert loaded(["--storage", "s3://b"], environment, files).config.storage.access_key == "K"


def test_a_folder_of_secrets_as_kubernetes_mounts_it() -> None:
    files = {"/s/access_key": "K\n", "/s/secret_key": "S\n", "/s/..data": "x", "/s/other": "y"}
    flags = ["--storage", "s3://b", "--storage-secret-file", "/s"]
    store = loaded(flags, {}, files).config.storage
    assert (store.access_key, store.secret_key) == ("K", "S")


def test_profile_files_give_keys_region_and_form() -> None:
    files = {
        "/h/.aws/credentials": "[lab]\naws_access_key_id = K\naws_secret_access_key = S\n",
        "/h/.aws/config": "[profile lab]\nregion = r\nendpoint_url = http://e:1\n"
        "s3 =\n    addressing_style = path\n    signature_version = s3\n",
    }
    found = loaded(["--storage", "s3://b"], {"AWS_PROFILE": "lab"}, files)
    store = found.config.storage
    assert (store.access_key, store.region, store.endpoint) == ("K", "r", "http://e:1")
    assert (store.addressing, store.signature) == ("path", "v2")
    assert found.sources["access_key"] == "profile 'lab' of /h/.aws/credentials"
    assert found.config.secret_paths == ("/h/.aws/credentials",)
    with pytest.raises(InvalidArgument, match="no AWS profile 'no'"):
        loaded(["--storage", "s3://b", "--storage-profile", "no"], {}, files)


def test_keys_and_secret_come_from_one_place() -> None:
    files = {"/h/.aws/credentials": "[default]\naws_access_key_id=A\naws_secret_access_key=B\n"}
    with pytest.raises(InvalidArgument, match="AWS_ACCESS_KEY_ID gives the access key without"):
        loaded(["--storage", "s3://b"], {"AWS_ACCESS_KEY_ID": "K"}, files)
    token = {"AWS_SESSION_TOKEN": "T"}
    assert loaded(["--storage", "s3://b"], token, files).config.storage.session_token == ""


def test_amazons_region_does_not_count_for_a_store_elsewhere() -> None:
    environment = KEYS | {"AWS_REGION": "us-east-1"}
    found = loaded(["--storage", URL], environment)
    assert found.config.storage.region == ""
    assert "AWS_REGION is not used for https://minio.lab:9000" in found.warnings[0]
    assert loaded(["--storage", "s3://b"], environment).config.storage.region == "us-east-1"
    both = environment | {"AWS_ENDPOINT_URL": "http://e:1"}
    assert loaded(["--storage", "s3://b"], both).config.storage.region == "us-east-1"


def test_other_clouds() -> None:
    google = {"GOOGLE_APPLICATION_CREDENTIALS": "/g.json", "AWS_ACCESS_KEY_ID": "K"}
    store = loaded(["--storage", "gs://b"], google).config.storage
    assert (store.kind, store.credentials_file, store.access_key) == ("gs", "/g.json", "")
    azure = {"AZURE_STORAGE_ACCOUNT": "a", "AZURE_STORAGE_KEY": "k"}
    store = loaded(["--storage", "az://c/p"], azure).config.storage
    assert (store.access_key, store.secret_key, store.prefix) == ("a", "k", "p")


MINIO = {
    "STORAGE_BACKEND": "MINIO",
    "MINIO_BUCKET": "b",
    "MINIO_ID": "K",
    "MINIO_SECRET": "S",
    "MINIO_ENDPOINT": "minio.lab:9000",
}


def test_pachyderms_minio_variables() -> None:
    found = loaded([], MINIO | {"MINIO_SECURE": "0", "MINIO_SIGNATURE": "1"})
    store = found.config.storage
    assert (store.bucket, store.endpoint) == ("b", "http://minio.lab:9000")
    assert (store.signature, store.access_key, store.secret_key) == ("v2", "K", "S")
    assert found.sources["storage"] == "environment MINIO_BUCKET"
    assert loaded([], MINIO | {"MINIO_SECURE": "true"}).config.storage.endpoint.startswith("https")
    open_ = loaded([], MINIO).config.storage
    assert (open_.endpoint, open_.signature) == ("minio.lab:9000", "")


DEPLOYED = {
    "amazon-region": "us-east-1",
    "amazon-bucket": "b",
    "amazon-distribution": "",
    "amazon-id": "K",
    "amazon-secret": "S",
    "amazon-token": "",
    "custom-endpoint": "swift.lab:8080",
    "retries": "10",
    "timeout": "5m",
    "upload-acl": "bucket-owner-full-control",
    "reverse": "true",
    "part-size": "5242880",
    "max-upload-parts": "10000",
    "disable-ssl": "true",
    "no-verify-ssl": "false",
    "log-options": "",
}
"""What `pachctl deploy custom --object-store s3` wrote."""


def test_the_secret_of_deploy_custom_works_as_it_is_mounted() -> None:
    """Its region is the fault that this is about: it must not become a pin."""
    files = {f"{pachyderm.SECRET_FOLDER}/{name}": text for name, text in DEPLOYED.items()}
    found = loaded([], {"STORAGE_BACKEND": "AMAZON"}, files)
    store = found.config.storage
    assert (store.bucket, store.endpoint) == ("b", "http://swift.lab:8080")
    assert (store.region, store.signature, store.addressing) == ("", "", "path")
    assert (store.retries, store.request_timeout_s, store.part_bytes) == (10, 300, 5 << 20)
    assert (store.insecure, store.session_token) == (False, "")
    assert found.config.secret_paths == (pachyderm.SECRET_FOLDER,)
    assert len(found.warnings) == 2
    region, ignored = sorted(found.warnings)
    assert "the region is found out instead" in region
    for name in ("upload-acl", "reverse", "max-upload-parts"):
        assert name in ignored
    assert loaded([], {}, files).config.storage == store  # the bucket tells the kind


def test_a_real_region_of_pachyderm_is_a_pin() -> None:
    names = {"STORAGE_BACKEND": "AMAZON", "AMAZON_BUCKET": "b", "AMAZON_REGION": "eu-west-1"}
    names |= {"AMAZON_ID": "K", "AMAZON_SECRET": "S"}
    assert loaded([], names).config.storage.region == "eu-west-1"
    names |= {"CUSTOM_ENDPOINT": "h:1", "AMAZON_REGION": "z1-a"}
    assert loaded([], names).config.storage.region == "z1-a"


def test_storage_url_as_pachyderm_2_has_it() -> None:
    url = "s3://b?endpoint=minio:9000&disableSSL=true&region=z1-a&awssdk=v1"
    names = {"STORAGE_BACKEND": "AMAZON", "STORAGE_URL": url}
    names |= {"AMAZON_ID": "K", "AMAZON_SECRET": "S"}
    found = loaded([], names)
    store = found.config.storage
    assert (store.endpoint, store.region) == ("http://minio:9000", "z1-a")
    assert "awssdk" in found.warnings[0]
    minio = loaded([], {"STORAGE_URL": "test-minio://minio:9000/b", **KEYS}).config.storage
    assert (minio.endpoint, minio.bucket) == ("minio:9000", "b")


def test_other_backends_of_pachyderm() -> None:
    files = {"/pachyderm-storage-secret/google-cred": '{"type": "service_account"}'}
    google = {"STORAGE_BACKEND": "GOOGLE", "GOOGLE_BUCKET": "b"}
    store = loaded([], google, files).config.storage
    assert (store.kind, store.bucket) == ("gs", "b")
    assert store.credentials_file == "/pachyderm-storage-secret/google-cred"
    microsoft = {"STORAGE_BACKEND": "MICROSOFT", "MICROSOFT_CONTAINER": "c"}
    microsoft |= {"MICROSOFT_ID": "a", "MICROSOFT_SECRET": "k"}
    store = loaded([], microsoft).config.storage
    assert (store.kind, store.bucket, store.access_key, store.secret_key) == ("az", "c", "a", "k")
    local = {"STORAGE_BACKEND": "LOCAL", "PACH_ROOT": "/pach"}
    assert loaded([], local).config.storage.path == "/pach"
    assert loaded([], {"STORAGE_BACKEND": "LOCAL"}).config.storage.path.endswith("/objects")


def test_common_words_of_others_are_left_alone() -> None:
    environment = KEYS | {"TIMEOUT": "1", "RETRIES": "99", "REVERSE": "1"}
    found = loaded(["--storage", "s3://b"], environment)
    assert (found.config.storage.retries, found.warnings) == (5, ())


def test_limits_and_old_flags_of_pachyderm() -> None:
    names = {"STORAGE_UPLOAD_CONCURRENCY_LIMIT": "100", "NO_VERIFY_SSL": "true", "PART_SIZE": "1M"}
    found = loaded(["--storage", "s3://b?endpoint=h:1", "--isS3V2", "--disable-ssl"], KEYS | names)
    store = found.config.storage
    assert (store.concurrency, store.insecure, store.part_bytes) == (100, True, 1 << 20)
    assert (store.signature, store.endpoint) == ("v2", "http://h:1")


def test_what_has_no_counterpart_is_said_once() -> None:
    names = MINIO | {key.upper().replace("-", "_"): "1" for key in pachyderm.IGNORED}
    names |= {"OBJ_LOG_OPTS": "Debug"}
    (warning,) = loaded([], names).warnings
    for key in pachyderm.IGNORED:
        assert pachyderm.variable_of(key) in warning or key.upper().replace("-", "_") in warning


@pytest.mark.parametrize(
    ("flags", "environment", "files", "text"),
    [
        (["--storage", "s3://k:SECRET@b"], {}, {}, "must not hold credentials"),
        (["--storage", "s3://b?secret_key=SECRET"], {}, {}, "must not hold credentials"),
        (["--storage", "s3://b?colour=red"], {}, {}, "unknown parameter 'colour'"),
        (["--storage", "ftp://b"], {}, {}, "no known scheme"),
        (["--storage", "s3://b", "--storage-retries", "x"], KEYS, {}, "--storage-retries must be"),
        (["--storage", "s3://b", "--storage-signature", "v5"], KEYS, {}, "one of v2, v4"),
        (["--storage", "s3://b"], KEYS | {"DASSIE_STORAGE_RETRIES": "x"}, {}, "DASSIE_STORAGE_RET"),
        (["--storage-secret-file", "/no"], {}, {}, "/no does not exist (from the flag"),
        (["--storage-secret-file", "/s"], {}, {"/s": "SECRET"}, "/s, line 1: write name=value"),
        (["--storage-secret-file", "/s"], {}, {"/s": "sceret_key=SECRET"}, "'sceret_key' is not"),
        (["--storage-secret-file", "/s"], {}, {"/s": "[default]\n"}, "AWS_SHARED_CREDENTIALS"),
        (["--config", "/c"], {}, {"/c": 'storage_secret_key = "SECRET"'}, "file of their own"),
        (["--config", "/c"], {}, {"/c": "storage_x = 1"}, "unknown setting 'storage_x'"),
        ([], {"STORAGE_BACKEND": "FLOPPY"}, {}, "one of AMAZON, MINIO, GOOGLE"),
        ([], {"STORAGE_BACKEND": "MINIO"}, {}, "STORAGE_BACKEND=MINIO needs MINIO_BUCKET"),
        ([], MINIO | {"MINIO_SIGNATURE": "perhaps"}, {}, "MINIO_SIGNATURE must be true or false"),
        (
            [],
            {"STORAGE_BACKEND": "GOOGLE", "GOOGLE_BUCKET": "b", "GOOGLE_CRED": '{"SECRET": 1}'},
            {},
            "put them into a file",
        ),
        (["--storage", "s3://b"], {}, {"/h/.aws/credentials": "SECRET\n"}, "a line is not underst"),
    ],
)
def test_what_is_refused(
    flags: list[str], environment: dict[str, str], files: dict[str, str], text: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        loaded(flags, environment, files)
    assert text in str(caught.value)
    assert "SECRET" not in str(caught.value).replace("SECRET_", "").replace("_SECRET", "")


def test_settings_in_the_file_in_either_form() -> None:
    flat = 'storage = "s3://b"\nstorage_region = "r"\nstorage_part_size = "8M"\n'
    table = '[storage]\nurl = "s3://b"\nregion = "r"\npart_bytes = 8388608\n'
    for text in (flat, table):
        store = loaded(["--config", "/c"], KEYS, {"/c": text}).config.storage
        assert (store.bucket, store.region, store.part_bytes) == ("b", "r", 8 << 20)
