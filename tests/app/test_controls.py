"""The controls of the page: named for all who don't see them, and text that stays text."""

import pytest

from medlab.app import controls


@pytest.mark.parametrize("say", [controls.alert, controls.done])
def test_what_is_said_is_text_and_no_html(say):
    assert "<b onclick>" not in say("<b onclick>")
    assert "&lt;b onclick&gt;" in say("<b onclick>")


def test_a_refusal_is_read_at_once_and_good_news_when_there_is_time():
    assert "role='alert'" in controls.alert("no such folder")
    assert "role='status'" in controls.done("3 files written")


def test_a_button_does_its_verb_and_a_hidden_control_is_gone():
    pressed = []
    button = controls.button("Run", lambda: pressed.append(1), primary=True)
    button.click()
    assert pressed == [1]
    controls.hide(button, True)
    assert button.layout.display == "none"
    controls.hide(button, False)
    assert button.layout.display == ""
