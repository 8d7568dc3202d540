"""ODK Collect's engine as a test's tablet: JavaRosa, out of pyxform's ODK_Validate.jar, driven step by step."""
from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from pyxform.validators.odk_validate import ODK_VALIDATE_PATH

SOURCE = Path(__file__).parent / "javarosa" / "FillForm.java"
WHY_NOT = "JavaRosa needs a Java development kit (java and javac): apt-get install default-jdk-headless"


def java_is_there() -> bool:
    return shutil.which("java") is not None and shutil.which("javac") is not None


def compile_driver(into: Path) -> Path:
    subprocess.run(["javac", "-nowarn", "-cp", ODK_VALIDATE_PATH, "-d", str(into), str(SOURCE)], check=True,
                   capture_output=True, timeout=120)
    return into


class Collect:
    """One blank form, opened. `lists`: file name -> what the door serves."""

    def __init__(self, driver: Path, folder: Path, xform: bytes, lists: Mapping[str, bytes]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.written = folder / "instance.xml"
        (folder / "form.xml").write_bytes(xform)
        for name, content in lists.items():
            (folder / name).write_bytes(content)
        self._java = subprocess.Popen(
            ["java", "-Djava.awt.headless=true", "-cp", f"{ODK_VALIDATE_PATH}:{driver}", "FillForm", str(folder / "form.xml"),
             str(folder), str(self.written)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8")

    def say(self, *parts: str) -> str:
        assert self._java.stdin and self._java.stdout and self._java.stderr
        self._java.stdin.write("\t".join(part.replace("\n", "\\n") for part in parts) + "\n")
        self._java.stdin.flush()
        answer = self._java.stdout.readline().rstrip("\n")
        assert answer, self._java.stderr.read()
        return answer

    def set(self, path: str, value: str) -> str:
        return self.say("set", path, value)

    def fill(self, answers: Mapping[str, str]) -> None:
        for path, value in answers.items():
            assert self.set(path, value) == "ok", (path, value, self.set(path, value))

    def clear(self, path: str) -> str:
        return self.say("clear", path)

    def repeat(self, path: str) -> str:
        return self.say("repeat", path)

    def value(self, path: str) -> str:
        return self.say("value", path).partition("\t")[2]

    def choices(self, path: str) -> dict[str, str]:
        said = self.say("choices", path).split("\t")
        return dict(one.split("=", 1) for one in said[1:])

    def asks(self, path: str) -> bool:
        return self.say("asks", path) == "yes"

    def finish(self) -> tuple[str, bytes]:
        """What Collect says when it finalises ("complete", or "incomplete" and where), and the instance."""
        said = self.say("end")
        self._java.communicate(timeout=20)
        return said.replace("\t", " "), self.written.read_bytes()

    def close(self) -> None:
        self._java.kill()
        self._java.wait()
        for pipe in (self._java.stdin, self._java.stdout, self._java.stderr):
            if pipe:
                pipe.close()
