"""Boot configuration: who wins, what is refused, and that no refusal shows a secret (DESIGN 9.4)."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from headgate.errors import StartupError
from headgate.kit.secret import Secret
from headgate.settings import load_settings

SECRET = "sk-very-secret-value"


def config(folder: Path, text: str) -> Path:
    path = folder / "headgate.yaml"
    path.write_text(text)
    return path


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    return monkeypatch


def refused(path: Path | None = None) -> str:
    with pytest.raises(StartupError) as caught:
        load_settings(path)
    message = str(caught.value)
    assert "\n" not in message, "one line"
    return message


def test_without_file_and_environment_the_defaults_hold() -> None:
    settings = load_settings()
    assert (settings.server.port, settings.server.host, settings.redis.url) == (8080, "127.0.0.1", None)


def test_a_file_overrides_the_defaults(tmp_path: Path) -> None:
    assert load_settings(config(tmp_path, "server:\n  port: 9000\n")).server.port == 9000


def test_the_environment_overrides_the_file_key_by_key(
    tmp_path: Path, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("HEADGATE_SERVER__PORT", "9001")
    settings = load_settings(config(tmp_path, "server:\n  port: 9000\n  workers: 3\n"))
    assert (settings.server.port, settings.server.workers) == (9001, 3)


def test_the_command_line_overrides_the_environment(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HEADGATE_SERVER__PORT", "9001")
    environment.setenv("HEADGATE_SERVER__WORKERS", "2")
    settings = load_settings(None, {"server.port": 9002})
    assert (settings.server.port, settings.server.workers) == (9002, 2)


def test_an_option_that_was_not_given_overrides_nothing(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HEADGATE_SERVER__PORT", "9001")
    assert load_settings(None, {"server.port": None}).server.port == 9001


def test_a_key_two_levels_deep_is_reached(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HEADGATE_SECURITY__URL_ALLOWLIST__ALLOW_PRIVATE_HOSTS", "true")
    assert load_settings().security.url_allowlist.allow_private_hosts


@pytest.mark.parametrize("name", ["SIMPLE_MODE_CONFIRM", "HEADGATE_SIMPLE_MODE_CONFIRM"])
def test_simple_mode_is_confirmed_by_either_name(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.setenv("HEADGATE_RUN_MODE", "simple")
    assert not load_settings().simple_mode_confirm
    environment.setenv(name, "true")
    settings = load_settings()
    assert (settings.run_mode, settings.simple_mode_confirm) == ("simple", True)


def test_a_confirmation_that_is_no_truth_value_stops_the_start(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SIMPLE_MODE_CONFIRM", "perhaps")
    assert "simple_mode_confirm" in refused()


def test_a_list_is_given_as_json(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HEADGATE_SERVER__TRUSTED_PROXIES", '["10.0.0.0/8", "::1"]')
    assert load_settings().server.trusted_proxies == ("10.0.0.0/8", "::1")


@pytest.mark.parametrize(
    ("variable", "section"), [("HEADGATE_DATABASE_URL", "database"), ("HEADGATE_REDIS_URL", "redis")]
)
def test_the_short_form_of_an_address_is_understood(
    environment: pytest.MonkeyPatch, variable: str, section: str
) -> None:
    environment.setenv(variable, "redis://h/0")
    assert getattr(load_settings(), section).url == Secret("redis://h/0")


def test_the_short_form_overrides_the_file(tmp_path: Path, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HEADGATE_DATABASE_URL", "sqlite:///two.db")
    settings = load_settings(config(tmp_path, "database:\n  url: sqlite:///one.db\n  pool_size: 7\n"))
    assert settings.database.url == Secret("sqlite:///two.db")
    assert settings.database.pool_size == 7


def test_the_short_form_fills_a_section_that_the_file_leaves_empty(
    tmp_path: Path, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("HEADGATE_DATABASE_URL", "sqlite:///two.db")
    settings = load_settings(config(tmp_path, "database:\n"))
    assert settings.database.url == Secret("sqlite:///two.db")


@pytest.mark.parametrize(
    ("variable", "name"),
    [("HEADGATE_SECRET_KEY", "secret_key"), ("HEADGATE_ADMIN_PASSWORD", "admin_password")],
)
def test_secrets_are_wrapped_so_that_printing_shows_nothing(
    environment: pytest.MonkeyPatch, variable: str, name: str
) -> None:
    environment.setenv(variable, SECRET)
    settings = load_settings()
    assert getattr(settings, name).reveal() == SECRET
    assert SECRET not in repr(settings)


def test_the_data_directory_has_its_short_form(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HEADGATE_DATA_DIR", "/srv/headgate")
    assert load_settings().data_dir == Path("/srv/headgate")


def test_a_bad_value_is_named_with_its_variable_and_a_remedy(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HEADGATE_SERVER__PORT", "70000")
    message = refused()
    assert "server.port" in message
    assert "70000" in message
    assert "HEADGATE_SERVER__PORT" in message


def test_an_unknown_key_in_the_file_is_named(tmp_path: Path) -> None:
    message = refused(config(tmp_path, "server:\n  prot: 1\n"))
    assert "server.prot" in message
    assert "remove it" in message


def test_an_unknown_variable_of_a_section_is_named(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HEADGATE_SERVER__PROT", "1")
    assert "server.prot" in refused()


def test_yes_is_no_number(tmp_path: Path) -> None:
    assert "should be a number" in refused(config(tmp_path, "server:\n  workers: yes\n"))


@pytest.mark.parametrize(
    "text",
    [
        f"secret_key: [{SECRET}]\n",
        f"admin_password: {{a: {SECRET}}}\n",
        f"database:\n  url: [{SECRET}]\n",
        f"redis: {SECRET}\n",
        f"database: {SECRET}\n",
    ],
)
def test_a_refused_secret_is_not_shown(tmp_path: Path, text: str) -> None:
    assert SECRET not in refused(config(tmp_path, text))


@pytest.mark.parametrize(
    "variable", ["HEADGATE_DATABASE", "HEADGATE_REDIS", "HEADGATE_SERVER__TRUSTED_PROXIES"]
)
def test_a_section_that_is_no_json_is_named_and_not_shown(
    environment: pytest.MonkeyPatch, variable: str
) -> None:
    environment.setenv(variable, SECRET)
    message = refused()
    assert variable in message
    assert SECRET not in message


@pytest.mark.parametrize("text", ["- a\n- b\n", "just words"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    assert "mapping" in refused(config(tmp_path, text))


def test_a_file_that_is_no_yaml_is_refused_with_its_line_and_without_its_text(tmp_path: Path) -> None:
    message = refused(config(tmp_path, f"server:\n  port: 1\nadmin_password: '{SECRET}\n"))
    assert SECRET not in message
    assert "line" in message


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "nowhere.yaml" in refused(tmp_path / "nowhere.yaml")


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert load_settings(config(tmp_path, "")).server.port == 8080


def test_a_bad_option_is_refused_like_a_bad_variable() -> None:
    with pytest.raises(StartupError) as caught:
        load_settings(None, {"server.port": 70000})
    assert "port" in str(caught.value)


def test_a_bad_option_is_named_with_its_section() -> None:
    with pytest.raises(StartupError, match=r"server\.port"):
        load_settings(None, {"server.port": 70000})


def test_settings_do_not_change_once_loaded() -> None:
    with pytest.raises(ValidationError):
        load_settings().server.port = 1  # type: ignore[misc]


def test_an_unknown_fail_point_is_refused_with_the_known_ones(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HEADGATE_FAIL_POINT", "nowhere:2")
    message = refused()
    assert "HEADGATE_FAIL_POINT" in message
    assert "before_commit" in message


def test_a_fail_point_in_a_config_file_is_refused(tmp_path: Path) -> None:
    assert "tests only" in refused(config(tmp_path, "fail_point: before_commit\n"))
