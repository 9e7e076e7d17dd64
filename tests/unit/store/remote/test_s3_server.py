import threading
from pathlib import Path

import pytest
from s3_server import an_s3_server


def a_client(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    import s3fs

    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return s3fs.S3FileSystem(skip_instance_cache=True)


def test_an_object_is_a_file_and_keeps_its_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with an_s3_server(tmp_path, "bucket") as server:
        client = a_client(server.environment(), monkeypatch)
        client.pipe_file("bucket/a/b.txt", b"hello", ContentType="text/plain", CacheControl="no-cache")
        assert server.objects("bucket") == {"a/b.txt": b"hello"}
        head = client.call_s3("head_object", Bucket="bucket", Key="a/b.txt")
        assert (head["ContentType"], head["CacheControl"]) == ("text/plain", "no-cache")


def test_a_wrong_secret_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with an_s3_server(tmp_path, "bucket") as server:
        client = a_client(server.environment(AWS_SECRET_ACCESS_KEY="wrong-secret"), monkeypatch)
        with pytest.raises(PermissionError):
            client.pipe_file("bucket/a.txt", b"hello")
        assert server.objects("bucket") == {}


def test_it_ends_with_its_block(tmp_path: Path) -> None:
    import socket

    before = threading.active_count()
    with an_s3_server(tmp_path) as server:
        port = int(server.endpoint.rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 1)
    assert threading.active_count() <= before + 1
