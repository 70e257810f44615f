import pytest

from medlab.crypto import Vault


@pytest.fixture
def vault(tmp_path):
    with Vault(tmp_path / "vault.db", bytes(range(32))) as vault:
        vault.remember(
            [
                ("patient", "P-1", "Doe^Jane", "one"), ("uid", "2.25.1", "1.2.3", "one"),
                ("patient", "P-2", "Roe^Richard", "two"), ("uid", "2.25.1", "1.2.3", "two"),
                ("uid", "2.25.2", "1.2.4", "two"), ("label", "L-1", "okafor", ""),
                ("patient", "P-3", "Poe^Ann", "three"), ("patient", "P-3", "Moe^Ann", "four"),
            ]
        )  # fmt: skip
        yield vault
