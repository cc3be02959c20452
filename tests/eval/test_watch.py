"""The live page: local, of one folder, up to date, and unimpressed by whatever is sent to it."""

import contextlib
import http.client
import re
import signal
import socket
import subprocess
import sys
import threading

import pytest
from mario_eval import EvaluationError, evaluate
from mario_eval.watch import LivePage, LiveServer, serve


@pytest.fixture
def live(tmp_path):
    (tmp_path / "run" / "training").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "run" / "inside.txt").write_text("secret")
    with LiveServer(("127.0.0.1", 0), LivePage(tmp_path / "run", every=0)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server.server_address[1], tmp_path / "run"
        server.shutdown()
        thread.join()


def get(port, path="/", host=None, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    with contextlib.closing(connection):
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("Host", host or f"127.0.0.1:{port}")
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def add_episodes(folder, count):
    lines = ['#{"t_start": 0, "env_id": "x"}', "r,l,t", *(f"{i},10,{i}" for i in range(count))]
    (folder / "training" / "0.monitor.csv").write_text("\n".join(lines) + "\n")


def test_waits_for_a_run_to_begin_and_follows_it(live):
    port, folder = live
    status, page = get(port)
    assert status == 200
    assert "Nothing to show yet" in page

    add_episodes(folder, 30)
    first_mark = get(port, "/mark")[1]
    assert "Training episodes" in get(port)[1]
    assert ">30<" in get(port)[1]
    assert get(port, "/mark")[1] == first_mark

    add_episodes(folder, 40)
    assert get(port, "/mark")[1] != first_mark
    assert ">40<" in get(port)[1]
    evaluate("random", "CartPole-v1", episodes=3, out=folder / "evaluation")
    assert "Summary of 3 episodes" in get(port)[1]


@pytest.mark.parametrize(
    "path",
    [
        "/inside.txt",
        "/../secret.txt",
        "/..%2fsecret.txt",
        "//secret.txt",
        "/%00",
        "/training/",
        "/." * 2000,
        "*",
        "http://x/",
    ],
)
def test_no_file_is_served_by_name(live, path):
    port, _ = live
    status, body = get(port, path)
    assert status in (404, 400, 414)
    assert "secret" not in body


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", ""])
def test_other_host_names_are_refused(live, host):
    port, _ = live
    assert get(port, host=host or " ")[0] == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "TRACE", "NONSENSE"])
def test_only_reading_is_possible(live, method):
    port, _ = live
    assert get(port, method=method)[0] == 501


@pytest.mark.parametrize(
    "raw",
    [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"\x00\xff" * 500,
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / " + b"a" * 70000,
        b"GET / HTTP/1.1\r\nHost",
    ],
)
def test_survives_malformed_requests(live, raw):
    port, _ = live
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass
    assert get(port)[0] == 200


def test_a_silent_client_does_not_keep_others_out(live):
    port, _ = live
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
        assert get(port)[0] == 200


def test_head_has_no_body(live):
    assert get(live[0], method="HEAD") == (200, "")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_addresses_that_others_can_reach_need_permission(tmp_path, host):
    with pytest.raises(EvaluationError, match="--allow-remote"):
        serve(tmp_path, host=host, port=0, allow_remote=False, every=1, tell=print)


def test_a_taken_port_is_named(live):
    port, folder = live
    with pytest.raises(EvaluationError, match=f"cannot listen on 127.0.0.1:{port}"):
        serve(folder, host="127.0.0.1", port=port, allow_remote=False, every=1, tell=print)


def test_ctrl_c_ends_the_command_in_order(live):
    _, folder = live
    command = [
        sys.executable,
        "-u",
        "-c",
        "from mario_eval.cli import main; main()",
        "watch",
        folder,
        "--port",
        "0",
    ]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes, preexec_fn=heed_ctrl_c) as process:
        try:
            told = process.stdout.readline()
            port = int(re.search(r"http://127\.0\.0\.1:(\d+)/", told).group(1))
            assert get(port)[0] == 200
            process.send_signal(signal.SIGINT)
            out, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0
    assert out == "ended\n"
    assert errors == ""


def heed_ctrl_c():
    """A shell starts background jobs deaf to SIGINT, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
