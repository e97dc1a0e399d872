"""The commands as a person types them."""
# ruff: noqa: E501  (statements are kept whole)

import hashlib
import json
import re
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest

from tests.backtesting.files import applications, write
from tests.decisioning.applicants import POLICY_FILE, applicant
from timelyrain.cli import main
from timelyrain.decisioning import SOURCES
from timelyrain.decisioning.decision import plain
from timelyrain.drawing import both
from timelyrain.origination.limits import limits_over_time
from timelyrain.policies import load_pack

CHINESE = re.compile(r"[\u4e00-\u9fff]")
SOURCE = POLICY_FILE.read_text(encoding="utf-8")


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


class Shell:
    """The command in this process, under a home of its own."""

    def __init__(self, capsys: pytest.CaptureFixture[str]):
        self._capsys = capsys

    def __call__(self, *arguments: str | Path) -> Done:
        code = main([str(argument) for argument in arguments])
        return Done(code, *self._capsys.readouterr())


@pytest.fixture
def timelyrain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.setenv("TIMELYRAIN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    for name in ("TIMELYRAIN_DATABASE_URL", "TIMELYRAIN_APP_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return Shell(capsys)


def test_decide_and_replay(timelyrain: Shell, tmp_path: Path) -> None:
    """A record replays byte for byte; each other input is named as the cause; what is no record is refused."""
    evidence, record = tmp_path / "e.json", tmp_path / "r.json"
    evidence.write_text(json.dumps(applicant(3, 0.9)))
    told = timelyrain("decide", "--evidence", evidence, "--record", record, "--language", "zh")
    outputs = json.loads(record.read_text())["outputs"]
    assert told.returncode == 0 and outputs["reasons"]
    for part in ("可支配收入", *(reason["code"] for reason in outputs["reasons"])):
        assert part in told.stdout
    plain = timelyrain("decide", "--evidence", evidence, "--json")
    assert plain.stdout.encode() == record.read_bytes() + b"\n"

    other = tmp_path / "other.json"
    other.write_text(json.dumps(applicant(4, 0.3)))
    changed = tmp_path / "b.toml"
    changed.write_text(SOURCE.replace("phone_tenure_days < 90", "phone_tenure_days < 60"), encoding="utf-8")
    engine = tmp_path / "engine.json"
    engine.write_text(record.read_text().replace(f'"outcome":"{outputs["outcome"]}"', '"outcome":"approve"'))
    for arguments, code, cause in (
        ((record, "--evidence", evidence), 0, None),
        ((record, "--evidence", other), 1, "data"),
        ((record, "--evidence", evidence, "--policy", changed), 1, "rule"),
        ((engine, "--evidence", evidence), 1, "engine"),
    ):
        done = timelyrain("replay", *arguments, "--json")
        assert (done.returncode, json.loads(done.stdout)["cause"]) == (code, cause)
    for arguments in ((evidence, "--evidence", evidence), ("nothing", "--evidence", evidence)):
        assert timelyrain("replay", *arguments).returncode == 2


def test_a_record_finds_what_it_names_beside_it(timelyrain: Shell, tmp_path: Path) -> None:
    """`decide --json > r.json`, then `replay r.json`: evidence and policy by their hashes; what is not there is the cause."""
    evidence, record, policy = (tmp_path / name for name in ("e.json", "r.json", "p.toml"))
    (tmp_path / "another.json").write_text(json.dumps(applicant(4)))
    evidence.write_text(json.dumps(applicant(3, 0.9), indent=1))
    policy.write_text(SOURCE.replace("phone_tenure_days < 90", "phone_tenure_days < 60"), encoding="utf-8")
    record.write_text(timelyrain("decide", "--policy", policy, "--evidence", evidence, "--json").stdout)
    done = timelyrain("replay", record, "--json")
    digest = hashlib.sha256(record.read_bytes().rstrip()).hexdigest()
    assert done.returncode == 0 and json.loads(done.stdout)["record_sha256"] == digest
    assert digest in timelyrain("replay", record).stdout

    for file, spoilt, cause in (
        (evidence, json.dumps(applicant(5)), "data"),
        (policy, SOURCE, "rule"),
    ):
        kept = file.read_text(encoding="utf-8")
        file.write_text(spoilt, encoding="utf-8")
        done = timelyrain("replay", record, "--json")
        assert (done.returncode, json.loads(done.stdout)["cause"]) == (2, cause)
        assert timelyrain("replay", record).stderr.startswith(f"cannot be replayed: {cause}: ")
        file.write_text(kept, encoding="utf-8")
    assert not (tmp_path / "home" / "pg").exists()  # looking for a policy makes no platform
    told = json.loads(record.read_text())
    record.write_text(json.dumps(told | {"model": "ab" * 32}))
    assert json.loads(timelyrain("replay", record, "--json").stdout)["cause"] == "model"
    evidence.write_text("{}")
    done = timelyrain("replay", record, "--evidence", evidence, "--json")
    assert (done.returncode, json.loads(done.stdout)["cause"]) == (2, "data")


def test_decide_takes_the_law_of_the_lenders_day(timelyrain: Shell, tmp_path: Path) -> None:
    """The first moments of a day in China are the day before in UTC; evidence older than the law known is decided, and it is said."""
    pack = load_pack("cn")
    law = limits_over_time(pack, pack.products()[0], "consumer_finance")
    for as_of, told in ((law.begins, False), (law.begins - 1, True), (1_700_000_000, True)):
        raw = applicant(3) | {
            "as_of": as_of,
            "events": {},
            "facts": {"age": 30},
            "missing": list(SOURCES[2:]),
        }
        (tmp_path / "e.json").write_text(json.dumps(raw))
        done = timelyrain("decide", "--evidence", tmp_path / "e.json", "--json")
        assert done.returncode == 0 and ("older than the law known here" in done.stderr) == told
        assert json.loads(done.stdout)["context"] == plain(law.at(as_of))


def test_policy_check_shows_everything(timelyrain: Shell, tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text(
        SOURCE.replace("phone_tenure_days < 90", "phone_tenur < 90").replace("'salary'", "'salry'", 1),
        encoding="utf-8",
    )
    chinese = timelyrain("policy", "check", bad, "--lang", "zh")
    assert (
        chinese.returncode == 1
        and "是否想写 'phone_tenure_days'？" in chinese.stdout
        and "不能启用" in chinese.stderr
    )
    done = timelyrain("policy", "check", bad, "--lang", "en")
    assert done.returncode == 1 and len(done.stdout.splitlines()) == 2
    assert all(line.startswith(f"{bad}:") and ";" in line for line in done.stdout.splitlines())
    assert timelyrain("policy", "check", "consumer_credit").returncode == 0
    assert timelyrain("decide", "--policy", bad, "--evidence", bad).returncode == 2
    warned = tmp_path / "warned.toml"
    warned.write_text(SOURCE.replace("phone_tenure_days < 90", "phone_tenure_days >= 0"), encoding="utf-8")
    done = timelyrain("policy", "check", warned, "--lang", "en")
    assert done.returncode == 0 and "PHONE_NEW" in done.stdout and "(warning)" in done.stdout


def test_the_catalogue_says_what_missing_means_and_what_a_feature_is_made_of(timelyrain: Shell) -> None:
    done = timelyrain("policy", "show", "consumer_credit", "--features", "--json", "--language", "en")
    (rows,) = json.loads(done.stdout).values()
    told = {row["name"]: row for row in rows}["bank_returned_count_90d"]
    assert told["missing"] == "bank flows gave nothing; 0 when the window holds none"
    assert told["window_days"] == "90" and "bank_flow.kind" in told["lineage"].split(", ")


def test_backtest_says_where_the_page_is(timelyrain: Shell, tmp_path: Path) -> None:
    past, b = write(applications(40), tmp_path / "past.parquet"), tmp_path / "b.toml"
    b.write_text(SOURCE.replace("phone_tenure_days < 90", "phone_tenure_days < 60"), encoding="utf-8")
    out = tmp_path / "out"
    words = (
        "backtest",
        "--policy",
        "consumer_credit",
        "--against",
        b,
        "--applications",
        past,
        "--workers",
        "1",
        "--quiet",
        "--out",
        out,
    )
    done = timelyrain(*words)
    assert done.returncode == 0, done.stderr
    assert "realised profit" in done.stdout and str(out / "report.html") in done.stderr
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "threshold of `phone_tenure_days`: 90 → 60" in page and "http" not in page.replace(
        "http-equiv", ""
    )
    used = {row["value"] for row in json.loads((out / "result.json").read_bytes())["segments"]["purpose"]}
    names = {purpose.code: (purpose.zh, purpose.en) for purpose in load_pack("cn").purposes()}
    assert used and all(f"<th>{both(*names[code])}</th>" in page for code in used)
    again = timelyrain(*words, "--resume", "--json")
    assert again.stdout.encode() == (out / "result.json").read_bytes() + b"\n"


@pytest.mark.parametrize(
    ("arguments", "en", "zh"),
    [
        (("decide",), "arguments are required: --evidence", "缺少参数：--evidence"),
        (("policy", "moon"), "invalid choice: 'moon'", "没有 'moon'，可用的有"),
        (("decide", "--evidence", "x", "--draw", "few"), "invalid int value: 'few'", "参数 --draw：'few' 不是整数"),
        (("decide", "--evidence"), "expected one argument", "参数 --evidence：后面要写一个值"),
        (("backtest", "--workers", "0"), "'0' is not a whole number from 1", "'0' 不是 1 或更大的整数"),
        (("replay", "x", "--moon"), "unrecognized arguments: --moon", "没有这样的参数：--moon"),
    ],
)  # fmt: skip
def test_a_mistyped_command_is_told_in_the_readers_language(
    arguments: tuple[str, ...],
    en: str,
    zh: str,
    timelyrain: Shell,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for shell, asked, said in (
        ("C.UTF-8", (), en),
        ("zh_CN.UTF-8", (), zh),
        ("C.UTF-8", ("--lang", "zh"), zh),
        ("zh_CN.UTF-8", ("--language=en",), en),
    ):
        monkeypatch.setenv("LC_ALL", shell)
        with pytest.raises(SystemExit) as left:
            timelyrain(*arguments, *asked)
        assert left.value.code == 2
        assert said in capsys.readouterr().err


BACKTEST = ("backtest", "--policy", "consumer_credit", "--against")
TRY = ("decide", "--evidence", "{e.json}")


@pytest.mark.parametrize(
    ("arguments", "en", "zh"),
    [
        ((*BACKTEST, "nowhere", "--applications", "x"), "neither a file nor a policy", "也没有这个策略"),
        ((*BACKTEST, "consumer_credit", "--applications", "x"), "cannot be read as Parquet", "无法作为 Parquet 读取"),
        ((*BACKTEST, "consumer_credit", "--applications", "{some.parquet}"), "no column 'purpose'", "缺少列 'purpose'"),
        ((*BACKTEST, "consumer_credit", "--applications", "{old.parquet}"), "purpose None is not one of", "没有用途 None"),
        ((*BACKTEST, "consumer_credit", "--applications", "{whole.parquet}", "--lgd-ppm", "-1"), "lgd_ppm is -1", "lgd_ppm 为 -1"),
        ((*BACKTEST, "consumer_credit", "--applications", "{whole.parquet}", "--licence", "none"), "no limits for licence 'none'", "没有对牌照 'none'"),
        (("decide", "--evidence", "x"), "cannot be read", "请给出 JSON 的证据"),
        (("decide", "--evidence", "{bad.json}"), "facts.age: '31' is not an integer", "facts.age：'31' 不是整数；请写 0 到 130 的整数"),
        (("decide", "--evidence", "{bad.json}"), "facts: unknown name 'shoe'", "没有 'shoe' 这个名称"),
        (("decide", "--evidence", "{bad.json}"), "bank_flow: a list is not an object", "bank_flow：列表 不是对象"),
        ((*TRY, "--model", "{bad.json}"), "not a model file", "模型不能使用"),
        ((*TRY, "--request", "[]"), "is no JSON object", "不是 JSON 对象"),
        ((*TRY, "--request", '{"amount": 1}'), "is not amount_fen", "不是 amount_fen"),
        ((*TRY, "--request", '{"purpose": "moon"}'), "use one of", "request.purpose 为 'moon'"),
        ((*TRY, "--draw", "-1"), "draw is -1", "draw 为 -1"),
        ((*TRY, "--given", '{"moon": 1}'), "not for 'moon'", "没有 'moon'"),
        ((*TRY, "--product", "moon"), "no product 'moon'", "没有产品 'moon'"),
        (("replay", "{bad.json}"), "is no decision record", "不是决策记录"),
        (("replay", "moon"), "neither a file nor the id", "既不是文件，也不是决策的编号"),
        (("policy", "test", "consumer_credit", "{bad.json}"), "unknown key 'as_of'", "没有 'as_of' 这个键"),
        (("policy", "diff", "consumer_credit", "law"), "definition refused", "定义有误"),
    ],
)  # fmt: skip
def test_refusals_are_sentences_in_the_readers_language(
    arguments: tuple[str, ...], en: str, zh: str, timelyrain: Shell, tmp_path: Path
) -> None:
    raw = applicant(1)
    (tmp_path / "e.json").write_text(json.dumps(raw), encoding="utf-8")
    raw["facts"] |= {"age": "31", "shoe": 43}
    raw["events"]["bank_flow"] = []
    (tmp_path / "bad.json").write_text(json.dumps(raw), encoding="utf-8")
    whole = pl.read_parquet(write(applications(2), tmp_path / "whole.parquet"))
    whole.drop("purpose").write_parquet(tmp_path / "some.parquet")
    whole.with_columns(pl.lit(None, pl.String).alias("purpose")).write_parquet(tmp_path / "old.parquet")
    given = [
        str(tmp_path / word[1:-1]) if word[1:-1].endswith((".json", ".parquet")) else word
        for word in arguments
    ]
    for language, said in (("en", en), ("zh", zh)):
        done = timelyrain(*given, "--language", language)
        assert done.returncode and said in done.stderr and "Traceback" not in done.stderr, done.stderr
        assert language == "zh" or not CHINESE.search(done.stderr)
