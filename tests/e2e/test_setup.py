"""`headgate setup` as a process: token on the console, install, and the gateway serves on the same port."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

ADMIN = {"email": "root@example.com", "password": "a long password 7"}


def call(url, path, body=None, **headers):
    payload = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, payload, {"content-type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def wait_until_serving(url):
    for _ in range(100):
        try:
            if call(url, "/health") == (200, {"status": "ok"}):
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError("the gateway does not serve")


def test_a_first_start_from_token_to_login(tmp_path):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE_")}
    command = [sys.executable, "-m", "headgate", "setup", "--port", "0", "--data-dir", str(tmp_path / "data")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=clean) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split("Set-up on ")[1].strip().partition("/setup")[0]
        token = process.stdout.readline().split(": ")[1].strip()
        assert call(url, "/setup/status")[1]["data"]["needs_setup"] is True
        assert call(url, "/setup/install", {"admin": ADMIN})[0] == 401
        assert call(url, "/setup/install", {"admin": ADMIN}, **{"x-setup-token": token})[0] == 200
        wait_until_serving(url)
        assert call(url, "/setup/status")[1]["data"] == {"needs_setup": False, "step": "completed"}
        status, answer = call(url, "/api/v1/auth/login", ADMIN)
        assert (status, answer["data"]["user"]["role"]) == (200, "admin")
        process.send_signal(signal.SIGTERM)
        said = process.stdout.read()
    assert token not in said
    assert ADMIN["password"] not in said
    again = subprocess.run(command, capture_output=True, text=True, env=clean, timeout=30)
    assert again.returncode == 1
    assert "is set up already" in " ".join((again.stdout + again.stderr).split())
