"""The audit: its text, its checkpoints, its checks, and the commands that show them."""

import base64
import json
import stat
import textwrap
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from msgspec.structs import replace
from store_fixtures import MONDAY, checkpoint_of, journal_at, notary_of, noted

from kobe81.app import home
from kobe81.app.commands import audit as command
from kobe81.app.tampering import tamper
from kobe81.core.errors import Damaged, KobeError
from kobe81.store import audit_trail, checkpoints

SIZE = 12


@pytest.fixture
def state(tmp_path, monkeypatch):
    """A home with a journal of twelve records, its audit and one checkpoint of them."""
    monkeypatch.setenv("KOBE_HOME", str(tmp_path / "home"))
    journal = journal_at(home.journal(), SIZE)
    audit_trail.catch_up(journal, home.audit())
    checkpoint_of(journal, home.home())
    return journal


def lines() -> list[bytes]:
    return home.audit().read_bytes().splitlines(keepends=True)


def test_anyone_can_check_the_trail(state):
    """Twenty lines of any language: the body's text as it stands in the journal, the hash of the hash before and it."""
    head = bytes(32)
    for row, line in zip(state.raw(0), lines(), strict=True):
        head = sha256(head + row.body).digest()
        assert line == b'{"hash":"' + head.hex().encode() + b'","body":' + row.body + b"}\n"
        assert json.loads(line)["body"]["event"]["note"] == f"call {row.seq - 1} was not answered"
    assert stat.S_IMODE(home.audit().stat().st_mode) == 0o600


def test_it_follows_the_journal(state, tmp_path):
    """What is new is added, what is there is not touched, and writing it anew gives the same bytes."""
    before = home.audit().read_bytes()
    assert audit_trail.catch_up(state, home.audit()) == []
    assert home.audit().read_bytes() == before
    state.append(*(noted(n) for n in range(5)))
    assert audit_trail.catch_up(state, home.audit()) == []
    assert home.audit().read_bytes().startswith(before)
    assert len(lines()) == audit_trail.export(state, tmp_path / "anew.jsonl") == SIZE + 5
    assert (tmp_path / "anew.jsonl").read_bytes() == home.audit().read_bytes()


def test_a_line_longer_than_any_block_is_found_from_the_end(state):
    """A scan of 900 stocks is hundreds of kilobytes in one line."""
    state.append(replace(noted(1), note="x" * 300_000))
    for number in range(2):
        audit_trail.catch_up(state, home.audit())
        state.append(noted(number))
    audit_trail.catch_up(state, home.audit())
    assert audit_trail.verify(home.audit()).size == SIZE + 3


CHANGES = {
    "a figure edited": (lambda ls: [*ls[:4], ls[4].replace(b"call 4 was", b"call 5 was"), *ls[5:]], 5, "edited"),
    "a hash edited": (lambda ls: [*ls[:4], ls[4].replace(ls[4][9:13], b"0000"), *ls[5:]], 5, "edited"),
    "the hash in capitals": (lambda ls: [*ls[:4], ls[4][:9] + ls[4][9:73].upper() + ls[4][73:], *ls[5:]], 5, "edited"),
    "a line deleted": (lambda ls: ls[:4] + ls[5:], 5, "record 6 stands here"),
    "two lines swapped": (lambda ls: [*ls[:4], ls[5], ls[4], *ls[6:]], 5, "record 6 stands here"),
    "a line twice": (lambda ls: ls[:5] + ls[4:], 6, "record 5 stands here"),
    "a space in the body": (lambda ls: [*ls[:4], ls[4].replace(b'"cause":', b'"cause": '), *ls[5:]], 5, "not a line"),
    "a space outside it": (lambda ls: [*ls[:4], ls[4].replace(b'"body":', b'"body": '), *ls[5:]], 5, "not a line"),
    "a key twice": (lambda ls: [*ls[:4], ls[4].replace(b'"cause":', b'"cause":7,"cause":'), *ls[5:]], 5, "not a line"),
    "an empty line": (lambda ls: [*ls[:4], b"\n", *ls[4:]], 5, "not a line"),
    "another line end": (lambda ls: [*ls[:4], ls[4][:-1] + b"\r\n", *ls[5:]], 5, "not a line"),
    "endless depth": (lambda ls: [*ls[:4], ls[4][:82] + b"[" * 100_000 + b"}\n", *ls[5:]], 5, "not a line"),
    "the last line torn": (lambda ls: [*ls[:-1], ls[-1][:-5]], SIZE, "the last one is cut"),
    "no number": (lambda ls: [ls[0][:82] + b"{}}\n", *ls[1:]], 1, "not a line"),
    "no object": (lambda ls: [ls[0][:82] + b"1}\n", *ls[1:]], 1, "not a line"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_first_bad_record_is_named(state, change):
    """By the chain alone, without any checkpoint."""
    make, seq, words = CHANGES[change]
    home.audit().write_bytes(b"".join(make(lines())))
    [finding] = audit_trail.verify(home.audit()).findings
    assert (finding.seq, words in finding.text) == (seq, True), finding


def test_a_checkpoint_is_what_its_words_say(state):
    """Chain head and RFC 6962 root computed here, over what was added since the last one too."""
    notary = notary_of(state, home.home())
    notary.checkpoint()
    state.append(noted(99))
    made = notary.checkpoint()

    def root(bodies):
        k = 1
        while 2 * k < len(bodies):
            k *= 2
        return sha256(b"\0" + bodies[0] if len(bodies) == 1 else b"\1" + root(bodies[:k]) + root(bodies[k:])).digest()

    rows = list(state.raw(0))
    assert (made.size, made.head, made.root) == (SIZE + 1, rows[-1].hash.hex(), root([r.body for r in rows]).hex())
    assert (made.code, made.time) == ("0.1+abc", MONDAY)
    assert [c.size for c in checkpoints.read(home.checkpoints())] == [SIZE, SIZE, SIZE + 1]


def test_a_checkpoint_is_signed_over_its_line(state):
    """Ed25519, over the line with an empty signature: any tool can check it with audit.pub."""
    made = checkpoint_of(state, home.home())
    fields = json.loads(made.line)
    signature = base64.b64decode(fields["signature"])
    text = made.line.replace(fields["signature"], "")
    load_pem_public_key((home.home() / "audit.pub").read_bytes()).verify(signature, text.encode())
    assert stat.S_IMODE(home.audit_key().stat().st_mode) == 0o600
    public = checkpoints.public_key(home.home() / "audit.pub")
    assert checkpoints.unsigned([made], public) == []
    changed = [replace(made, **{name: value}) for name, value in {
        "size": 11, "root": made.head, "head": made.root, "code": "2", "signature": "",
        "time": MONDAY.replace(year=2025)}.items()]
    strangers = made.signed(Ed25519PrivateKey.generate())
    assert checkpoints.unsigned([*changed, made, strangers], public) == [*changed, strangers]


def test_a_checkpoint_survives_its_e_mail(state):
    """Wrapped at 72, quoted, with greetings around it; also several of them, and one torn by a crash."""
    made = checkpoint_of(state, home.home())
    assert "\n" not in made.line
    assert len(made.line) < 500
    mail = "Hello {all},\n> " + "\n> ".join(textwrap.wrap(made.line, 72)) + "\n>\n> Yours"
    assert checkpoints.parse(mail) == [made]
    assert checkpoints.parse(f"{made.line}\n{made.line[:50]}{made.line}\n{made.line[:70]}") == [made, made]
    assert checkpoints.parse("nothing of the kind {}") == []


def test_the_chain_and_its_checkpoints_find_what_was_measured(state):
    """reliability.md, 60 trials per attack: a plain chain finds edits, deletions, swaps and insertions, and no
    re-chaining, truncation or new beginning; an outside checkpoint finds them all, up to what it covers."""
    counts = {attack: tuple(found[check] for check in ("chain", "local", "outside"))
              for attack, found in tamper(60, 81).items()}
    everything, past_the_chain = (60, 60, 60), (0, 60, 60)
    assert counts == {
        "edit": everything, "delete": everything, "swap": everything, "insert": everything, "remove": everything,
        "truncate": past_the_chain, "rechain": past_the_chain, "begin_anew": past_the_chain,
        "resign": (0, 0, 60), "resign_later": (0, 0, 0)}


def refusal(capsys, **options) -> tuple[int, str, str]:
    """The exit code of kobe audit verify, its complaint, and what it printed."""
    capsys.readouterr()
    try:
        command.verify(**options)
    except KobeError as error:
        return error.exit_code, str(error), capsys.readouterr().out
    return 0, "", capsys.readouterr().out


def test_verify_says_what_it_checked_and_what_it_could_not(state, capsys, tmp_path):
    """Without an outside checkpoint everything could have been rewritten; with one, only what came since."""
    code, _, said = refusal(capsys)
    assert code == 0
    assert f"{SIZE} of {SIZE} records, for want of an outside checkpoint" in said
    command.checkpoint(out=tmp_path / "sent")
    line = capsys.readouterr().out
    assert (tmp_path / "sent").read_text() == line
    state.append(noted(1))
    command.checkpoint()
    for given in (line, str(tmp_path / "sent")):
        code, _, said = refusal(capsys, checkpoint=given)
        assert code == 0
        assert f"its {SIZE} records are what they were" in said
        assert f"1 of {SIZE + 1} records, since the last outside checkpoint: whoever has the signing key" in said
        assert "tamper-evident up to the last outside checkpoint" in said
        assert "proof" not in said


def test_verify_of_a_copy_elsewhere(state, capsys, tmp_path, monkeypatch):
    """A copy of the audit, a checkpoint and the public key are all it takes; without the key that much is said."""
    sent, copy, key = checkpoint_of(state, home.home()).line, home.audit(), home.home() / "audit.pub"
    monkeypatch.setenv("KOBE_HOME", str(tmp_path / "elsewhere"))
    assert refusal(capsys, checkpoint=sent, file=copy, public_key=key)[0] == 0
    code, _, said = refusal(capsys, checkpoint=sent, file=copy)
    assert (code, "not checked  the signatures of checkpoints" in said) == (0, True)
    copy.write_bytes(b"".join(lines_of(copy)[:-1]))
    code, _, said = refusal(capsys, checkpoint=sent, file=copy, public_key=key)
    assert (code, f"record {SIZE}: missing" in said) == (1, True)


def lines_of(path):
    return path.read_bytes().splitlines(keepends=True)


def test_findings_are_exit_code_1(state, capsys):
    """An edited audit, a checkpoint of other hands, an audit of another journal."""
    good = home.audit().read_bytes()
    home.audit().write_bytes(good.replace(b"call 3 was", b"call 8 was"))
    code, complaint, said = refusal(capsys)
    assert (code, "record 4: its hash does not follow" in said) == (1, True)
    assert complaint.startswith("findings: 1. Send no orders")
    home.audit().write_bytes(good)
    stranger = checkpoint_of(state, home.home()).signed(Ed25519PrivateKey.generate()).line
    code, _, said = refusal(capsys, checkpoint=stranger)
    assert (code, "1 of 1 checkpoints from outside are not signed" in said) == (1, True)
    home.checkpoints().unlink()
    other = journal_at(home.home() / "other.db")
    other.append(*(noted(0) for _ in range(SIZE)))
    audit_trail.export(other, home.audit())
    code, _, said = refusal(capsys)
    assert (code, "tell different stories" in said) == (1, True)


def test_missing_and_unreadable_are_exit_code_2(state, capsys, tmp_path):
    """No audit, no journal, no checkpoint in what was given as one, no key in what was given as one."""
    for options, words in (({"checkpoint": str(tmp_path / "none")}, "cannot be read"),
                           ({"checkpoint": str(home.audit())}, "no checkpoint in there"),
                           ({"public_key": home.audit()}, "not a public key"),
                           ({"public_key": tmp_path / "none"}, "cannot be read"),
                           ({"file": tmp_path / "none"}, "cannot be read")):
        code, complaint, _ = refusal(capsys, **options)
        assert (code, words in complaint) == (2, True), complaint
    home.audit().unlink()
    assert refusal(capsys)[0] == 2
    state.close()
    home.journal().unlink()
    code, complaint, _ = refusal(capsys)
    assert (code, "there is no journal" in complaint) == (2, True)
    assert not home.journal().exists()


def test_no_checkpoint_is_made_over_a_contradiction(state):
    """An audit that does not end as the journal does is looked into first."""
    home.audit().write_bytes(home.audit().read_bytes()[:-20] + b"}\n")
    with pytest.raises(KobeError, match="no checkpoint is made of that"):
        command.checkpoint()


def test_export_overwrites_nothing(state, capsys):
    """What is there may be evidence."""
    with pytest.raises(KobeError, match="may be evidence"):
        command.export()
    good = home.audit().read_bytes()
    home.audit().unlink()
    command.export()
    assert home.audit().read_bytes() == good
    assert f"{SIZE} records written" in capsys.readouterr().out


def test_a_key_that_is_none_is_told(state):
    """A damaged key is not replaced: its checkpoints would no longer be ours."""
    home.audit_key().write_text("no key")
    with pytest.raises(Damaged, match="not a key"):
        checkpoints.signing_key(home.audit_key())
    assert home.audit_key().read_text() == "no key"


def test_the_demo_shows_its_table(capsys):
    """Counts per attack, and the words that are true."""
    command.tamper_demo(copies=2)
    said = capsys.readouterr().out
    assert [line.split()[-3:] for line in said.splitlines() if "stolen key" in line] == [["0/2", "0/2", "2/2"]]
    assert "Tamper-evident up to the last outside checkpoint" in said
