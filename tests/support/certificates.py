# SPDX-License-Identifier: Apache-2.0
"""Authorities and certificates for TLS in tests, made by openssl in a directory."""
import pathlib
import subprocess


def _openssl(*argv):
    subprocess.run(["openssl", *map(str, argv)], check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


class Authority:
    """A CA of its own: .pem is its certificate."""

    def __init__(self, directory, name="authority"):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.pem = self.directory / (name + ".pem")
        self.key = self.directory / (name + ".key")
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                 "-days", "2", "-subj", "/CN=" + name, "-keyout", self.key, "-out", self.pem)

    def issue(self, name, address="127.0.0.1"):
        """(certificate, key, both in one file) for a server at `address`, or a client."""
        key, request = self.directory / (name + ".key"), self.directory / (name + ".csr")
        pem, extensions = self.directory / (name + ".pem"), self.directory / (name + ".ext")
        extensions.write_text("subjectAltName=IP:%s\n" % address)
        _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                 "-subj", "/CN=" + name, "-keyout", key, "-out", request)
        _openssl("x509", "-req", "-in", request, "-CA", self.pem, "-CAkey", self.key, "-days", "2",
                 "-CAcreateserial", "-extfile", extensions, "-out", pem)
        both = self.directory / (name + ".both.pem")
        both.write_bytes(pem.read_bytes() + key.read_bytes())
        return pem, key, both
