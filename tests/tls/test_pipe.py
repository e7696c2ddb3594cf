"""Whom a certificate is made out to: health probes judge as the core does for calls."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization

from fastgw._core.io.certificate import is_for
from fastgw.tls.pipe import bears
from tests.tls.pki import Pki

CERTIFICATES = [
    ((), "a.test"),
    ((), "*.a.test"),
    ((), "127.0.0.1"),
    ((), "*.0.0.1"),
    ((), "A.Test"),
    (("b.test",), "a.test"),
    (("*.a.test", "127.0.0.1"), "b.test"),
]
NAMES = ("a.test", "b.test", "x.a.test", "y.x.a.test", "127.0.0.1", "::1")


@pytest.fixture(scope="module")
def leafs(tmp_path_factory):
    pki = Pki(tmp_path_factory.mktemp("pki"))
    return [pki.make("leaf", *names, common=common).leaf for names, common in CERTIFICATES]


@pytest.mark.parametrize("common", [False, True])
def test_probes_judge_names_as_the_core_does(leafs, common):
    judged = {}
    for leaf, about in zip(leafs, CERTIFICATES, strict=True):
        der = leaf.public_bytes(serialization.Encoding.DER)
        for name in NAMES:
            judged[about, name] = bears(leaf, name, common)
            assert judged[about, name] == is_for(der, name.encode(), common), (about, name)
    bare = [found for (about, _), found in judged.items() if not about[0]]
    assert any(bare) == common
