import pytest

from conf.tracking import tracking_mode


@pytest.mark.parametrize(
    ("asked", "mode"),
    [(None, "offline"), ("online", "offline"), ("dryrun", "offline"), ("disabled", "disabled")],
)
def test_without_a_key_nothing_goes_online(monkeypatch, asked, mode):
    if asked:
        monkeypatch.setenv("WANDB_MODE", asked)
    assert tracking_mode() == mode
