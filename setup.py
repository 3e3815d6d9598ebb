"""What pyproject.toml can't say: the policy files travel inside the wheel.

Vault's operators read and own `vault-policies/`, so it stands at the top of the tree and not in the package. A wheel
carries the same files as `app/policies/files/*.hcl`. setuptools can map a folder to a package only where every package
is listed by hand, and a list that somebody has to keep is one that ships a wheel with a hole; so they are copied here.
An editable install copies nothing: it reads the tree.
"""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

POLICIES = Path("vault-policies")
INSIDE_THE_WHEEL = Path("app/policies/files")


class BuildWithPolicies(build_py):
    """Build the package as ever, then put the policy files beside the code that reads them."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for source, target in self._policies().items():
            self.mkpath(str(target.parent))
            self.copy_file(str(source), str(target), preserve_mode=False)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        outputs: list[str] = super().get_outputs(include_bytecode)
        if self.editable_mode:
            return outputs
        return outputs + [str(target) for target in self._policies().values()]

    def _policies(self) -> dict[Path, Path]:
        found = sorted(POLICIES.glob("*.hcl"))
        if not found:
            raise SystemExit(f"{POLICIES}/ holds no .hcl file: a wheel without its policies would be useless.")
        return {source: Path(self.build_lib) / INSIDE_THE_WHEEL / source.name for source in found}


setup(cmdclass={"build_py": BuildWithPolicies})
