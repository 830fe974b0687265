"""Adds the Python that runs this, and every distribution that it finds, to a CycloneDX file.

Argument: the file, which is replaced.
"""

import json
import platform
import sys
from importlib import metadata
from pathlib import Path


def component(distribution: metadata.Distribution) -> dict[str, object]:
    """A distribution as CycloneDX names it; the licence is text, since few distributions say it as SPDX does."""
    facts = distribution.metadata
    name, version = facts["Name"], distribution.version
    url = f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"
    classifiers = [row.split("::")[-1].strip() for row in facts.get_all("Classifier", []) if row.startswith("License ::")]
    # The old field may hold the whole text.
    licence = facts.get("License-Expression") or "; ".join(classifiers) or (facts.get("License") or "").split("\n")[0]
    licences = {"licenses": [{"license": {"name": licence}}]} if licence else {}
    return {"type": "library", "name": name, "version": version, "bom-ref": url, "purl": url, **licences}


def main() -> None:
    file = Path(sys.argv[1])
    bom = json.loads(file.read_text())
    version = platform.python_version()
    url = f"pkg:generic/python@{version}"
    python = {"type": "platform", "name": "python", "version": version, "bom-ref": url, "purl": url}
    python["licenses"] = [{"license": {"id": "PSF-2.0"}}]
    # A path may name one twice; the first is the one that is imported.
    found = {row["purl"]: row for row in map(component, reversed(list(metadata.distributions())))}
    bom["components"] += [python, *(found[key] for key in sorted(found))]
    file.write_text(json.dumps(bom, indent=1))


main()
