"""Everything a person reads can be read in Russian too."""

import pytest

from config import messages


@pytest.mark.parametrize("file", [messages.SERVER, messages.SCRIPTS])
def test_the_russian_catalogue_is_complete_and_compiled(file) -> None:
    texts = {messages.SERVER: messages.server_texts, messages.SCRIPTS: messages.script_texts}[file]()
    assert list(messages.faults_of(file, sorted(set(texts)))) == []


def test_a_text_without_a_translation_is_noticed() -> None:
    faults = list(messages.faults_of(messages.SERVER, ["Nobody has ever said this."]))
    assert "locale/ru/LC_MESSAGES/django.po: not translated: Nobody has ever said this." in faults
    assert any("no longer said" in fault for fault in faults)


def test_no_sentence_is_put_together_before_it_is_translated() -> None:
    assert list(messages.untranslatable()) == []


def test_mails_exist_in_both_languages() -> None:
    folder = messages.ROOT / "contexts" / "identity" / "templates"
    letters = {path.name for path in folder.rglob("*.txt")}
    assert {name.replace(".en.", ".ru.") for name in letters if ".en." in name} <= letters
    assert len(letters) >= 20
