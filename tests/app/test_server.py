import json

import pytest

pytestmark = pytest.mark.needs("app")


@pytest.fixture
def config():
    from medlab.app.server import _configuration

    return _configuration(8866, 300)


def test_the_page_answers_this_computer_only_and_reads_no_other_configuration(config):
    assert config.Voila.ip == "127.0.0.1"
    assert config.Voila.config_file_paths == []


def test_no_source_no_trace_and_no_hidden_file_leaves_the_server(config):
    told = config.VoilaConfiguration
    assert told.strip_sources
    assert not told.show_tracebacks
    assert told.file_denylist == [".*"]
    assert told.allow_template_override == told.allow_theme_override == "NO"


def test_addresses_which_hold_the_token_are_not_logged(config, capsys):
    assert config.Voila.tornado_settings["log_function"](object()) is None
    assert capsys.readouterr() == ("", "")


def test_a_page_may_load_nothing_from_elsewhere(config):
    headers = json.dumps(config.Voila.tornado_settings["headers"])
    assert "default-src 'self'" in headers
    assert "http:" not in headers


def test_a_session_without_a_page_ends_in_the_time_it_was_given(config):
    assert config.MappingKernelManager.cull_idle_timeout == 300
    assert config.MappingKernelManager.cull_interval <= 30
    assert config.KernelRestarter.restart_limit == 0
