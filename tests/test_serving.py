"""The real server as a first run leaves it: its processes start after files were written in the one that starts them."""
from __future__ import annotations

import subprocess
import sys
import uuid
from pathlib import Path

import requests
from browser import ROOT, stop, surroundings, throw_away, wait_until_ready
from conftest import compile_markdown
from test_receive import NOTE, note

from cases import tablets
from cases.publishing import publish
from commands.opening import opened, project_actor

FIRST_RUN = """
from commands.opening import opened
from commands.serving import _serve
with opened() as store:
    for n in range(4):
        store.blobs.put(b"a photo of the demonstration %d" % n)
    _serve(store.settings, worker=False)
"""


def test_tablets_send_photos_to_a_server_that_has_just_made_its_demonstration(tmp_path: Path) -> None:
    settings = throw_away(tmp_path)
    with opened(settings) as store:
        actor = project_actor(store, None, make="first run")
        with store.database.begin(actor) as tx:
            publish(tx, store, actor, compile_markdown(NOTE))
            _, token = tablets.create(tx, store, actor, "Tablet 1", None)
        server = subprocess.Popen([sys.executable, "-c", FIRST_RUN], cwd=ROOT, env=surroundings(store))
        try:
            wait_until_ready(settings.public_url, server)
            for n in range(8):
                files = {
                    "xml_submission_file": ("s.xml", note(str(uuid.uuid4()), photo="1.jpg"), "text/xml"),
                    "1.jpg": ("1.jpg", b"photo %d" % n, "image/jpeg"),
                }
                # A connection each, so that every process has its turn.
                answer = requests.post(f"{settings.public_url}/key/{token}/submission", files=files, timeout=15)
                assert answer.status_code == 201
        finally:
            stop(server)
