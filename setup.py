"""What pyproject.toml can't say: the policy files and the guides travel inside the wheel.

Vault's operators read and own `vault-policies/`, so it stands at the top of the tree and not in the package. A wheel
carries the same files as `app/policies/files/*.hcl`, and `docs/` as `app/pages/guides/`. setuptools can map a folder to
a package only where every package is listed by hand, and a list that somebody has to keep is one that ships a wheel
with a hole; so they are copied here. An editable install copies nothing: it reads the tree.
"""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

POLICIES = Path("vault-policies")
GUIDES = Path("docs")
INSIDE_THE_WHEEL = {POLICIES: Path("app/policies/files"), GUIDES: Path("app/pages/guides")}


class BuildWithFiles(build_py):
    """Build the package as ever, then put the policy files and the guides beside the code that reads them."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for source, target in self._files().items():
            self.mkpath(str(target.parent))
            self.copy_file(str(source), str(target), preserve_mode=False)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        outputs: list[str] = super().get_outputs(include_bytecode)
        if self.editable_mode:
            return outputs
        return outputs + [str(target) for target in self._files().values()]

    def _files(self) -> dict[Path, Path]:
        policies = sorted(POLICIES.glob("*.hcl"))
        if not policies:
            raise SystemExit(f"{POLICIES}/ holds no .hcl file: a wheel without its policies would be useless.")
        guides = sorted(path for kind in ("*.md", "screenshots/*.png", "adr/*.md") for path in GUIDES.glob(kind))
        return {
            source: Path(self.build_lib) / inside / source.relative_to(folder)
            for folder, inside in INSIDE_THE_WHEEL.items()
            for source in (policies if folder == POLICIES else guides)
        }


setup(cmdclass={"build_py": BuildWithFiles})
