"""Letters survive whatever happens to mail servers and to the gateway: real processes, real SMTP."""

import re
import time

from tests.control.mail.conftest import smtp
from tests.support.gateway import free_port, running_gateway
from tests.support.mail_server import running_mail_server

NEW = "new@headgate.test"


def outbox(gateway):
    return gateway.api("GET", "/admin/settings/mail-outbox")


def soon(holds, *, within_s=90):
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def was_tried(gateway):
    return any(item["attempts"] > 0 for item in outbox(gateway)["items"])


def test_a_code_arrives_although_the_server_was_down_and_the_gateway_was_killed(tmp_path):
    port = free_port()
    with running_gateway(tmp_path, HEADGATE_MAIL__RETRY_DELAY_S="1") as gateway:
        gateway.api("PUT", "/admin/settings", smtp(port, registration_enabled=True))
        gateway.api("PUT", "/admin/settings", {"email_verify_enabled": True})
        gateway.api("POST", "/auth/send-verify-code", {"email": NEW})
        soon(lambda: was_tried(gateway))
        assert outbox(gateway)["waiting"] == 1
        gateway.kill()
        kept = b"".join(path.read_bytes() for path in gateway.data_dir.glob("*.db*"))
        with running_mail_server(port) as box:
            gateway.restart()
            soon(lambda: len(box.letters) == 1)
            soon(lambda: outbox(gateway)["waiting"] == 0)
            text = box.text()
        (code,) = re.findall(r"^\d{6}$", text, re.MULTILINE)
        assert NEW.encode() not in kept
        assert code.encode() not in gateway.log_file.read_bytes()
        body = {"email": NEW, "password": "a long password 7", "verify_code": code}
        assert gateway.api("POST", "/auth/register", body)["user"]["email"] == NEW
        assert len(box.letters) == 1
