from click.testing import CliRunner
from job_hospital import leak

from medlab.cli import commands


def test_the_command_ends_with_0_1_or_2(hospital, tmp_path, key_file):
    def run(*words):
        return CliRunner().invoke(commands, [str(word) for word in words])

    good = run(
        "deidentify", hospital, tmp_path / "a", "--key-file", key_file, "--policy", "research"
    )
    assert good.exit_code == 0, good.output
    assert leak(good.output.replace(str(tmp_path), "").encode()) == []
    (hospital / "bad.dcm").write_bytes(b"x")
    assert run("deidentify", hospital, tmp_path / "b").exit_code == 1
    assert run("deidentify", hospital, hospital / "c").exit_code == 1
    assert run("deidentify", tmp_path / "none", tmp_path / "c").exit_code == 2
    assert run("deidentify", hospital, tmp_path / "c", "--policy", "all").exit_code == 2
    assert run("deidentify", hospital, tmp_path / "c", "--option", "all").exit_code == 2
    assert run("audit", tmp_path / "a.job" / "audit.jsonl", "--key-file", key_file).exit_code == 0
    restoring = ("reidentify", tmp_path / "a", tmp_path / "r", "--key-file", key_file)
    assert run(*restoring).exit_code == run(*restoring, "--reason", " ").exit_code == 2
    assert not (tmp_path / "r").exists()
    back = run(*restoring, "--reason", "finding")
    assert back.exit_code == 0, back.output
    log = tmp_path / "a.job" / "vault.db.log"
    lines = len(log.read_text().splitlines())
    assert f"whole up to line {lines}; its end was not checked" in run("audit", log).output
    assert run("audit", log, "--key-file", key_file).output == (
        f"the log is whole up to line {lines}\n"
    )
    new = tmp_path / "new-key"
    assert (
        run("reidentify", tmp_path / "a", "--key-file", key_file, "--rotate-to", new).exit_code
        == 0
    )
    again = ("reidentify", tmp_path / "a", tmp_path / "r2", "--reason", "finding", "--key-file")
    assert run(*again, key_file).exit_code == 1
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-1]))
    assert run("audit", log, "--key-file", new).exit_code == 1
    assert run(*again, new).exit_code == 1
    log.unlink()
    assert run("audit", log, "--key-file", new).exit_code == 1
