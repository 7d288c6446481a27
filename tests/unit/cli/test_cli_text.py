import pytest

from steersman.cli.view.text import clean, count, countdown, human_duration, number, percent, plain


@pytest.mark.parametrize(
    ("hostile", "harmless"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;own your title\x07text", "text"),
        ("\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b31mred", "red"),
        ("\x1bPdevice string\x1b\\x", "x"),
        ("\x1bc reset", "reset"),
        ("a\x1b", "a"),
        ("a\x08\x08b\x00c", "a b c"),
        ("one\r\ntwo\tthree", "one two three"),
        ("abc\u202egnp.exe", "abcgnp.exe"),
        ("zero\u200bwidth", "zerowidth"),
        ("line\u2028separator", "line separator"),
        ("[red]not markup[/red] :smile:", "[red]not markup[/red] :smile:"),
        ("Größe 10 µs — 試験", "Größe 10 µs — 試験"),
        ("", ""),
    ],
)
def test_text_from_the_cluster_is_made_harmless(hostile: str, harmless: str) -> None:
    assert clean(hostile) == harmless


def test_markup_in_text_is_shown_not_obeyed() -> None:
    text = plain("[bold red]x[/]")
    assert text.plain == "[bold red]x[/]"
    assert text.spans == []


def test_long_text_is_cut() -> None:
    assert clean("x" * 5000, 10) == "x" * 9 + "…"
    assert clean("x" * 10, 10) == "x" * 10


def test_an_unended_escape_sequence_hides_no_more_than_its_own_string() -> None:
    assert clean("before \x1b]0;rest") == "before"
    assert "\x1b" not in clean("\x1b[" * 1000)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (0.9, "0s"),
        (119, "119s"),
        (120, "2m"),
        (150, "2m30s"),
        (600, "10m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 120, "3h2m"),
        (30 * 3600, "30h"),
        (3 * 86400, "3d"),
        (3 * 86400 + 7200, "3d2h"),
        (100 * 86400, "100d"),
        (800 * 86400, "2y70d"),
    ],
)
def test_ages_read_as_kubectls(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0s"), (0.1, "1s"), (59.5, "1m00s"), (75, "1m15s"), (3600, "1h00m"), (5400.0, "1h30m")]
)
def test_a_countdown_shows_one_second_until_it_is_over(seconds: float, text: str) -> None:
    assert countdown(seconds) == text


def test_numbers_are_short_and_never_fail() -> None:
    assert number(0.012345) == "0.0123"
    assert number(float("nan")) == "not a number"
    assert number(float("-inf")) == "infinite"
    assert count(2159.7) == "2160"
    assert count(float("nan")) == "not a number"
    assert percent(3, 240) == "1.25 %"
    assert percent(0, 0) == "-"
