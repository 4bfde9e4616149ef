import pytest

from fontgan.provenance import short_licence

DEBIAN = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: 2010 Somebody
License: OFL-1.1 or BSD-3-clause

Files: debian/*
License: GPL-2+
"""


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (DEBIAN, "OFL-1.1 or BSD-3-clause"),
        ("This Font Software is under the SIL Open Font\nLicense, Version 1.1.", "OFL-1.1"),
        ("http://scripts.sil.org/OFL", "OFL-1.1"),
        ("http://www.apache.org/licenses/LICENSE-2.0", "Apache-2.0"),
        ("Copyright 2003 by Bitstream, Inc. Bitstream Vera is a trademark", "Bitstream-Vera"),
        ("Copyright 1990 Bitstream Inc. All rights reserved.", "unknown"),
        ("GNU General Public License; either version 2 of the License, or (at your option) any "
         "later version", "GPL-2+"),
        ("terms of the GNU General Public License, see /usr/share/common-licenses/GPL-2", "GPL-2"),
        ("GNU Lesser General Public License, version 2.1", "LGPL-2.1"),
        ("GNU Affero General Public License version 3", "AGPL-3"),
        ("under the GPLv3+", "GPL-3+"),
        ("This font is under the GPL.", "GPL"),
        ("NonCommercial use only; version 3 of these terms", "non-commercial"),
        ("free for personal use", "non-commercial"),
        ("Creative Commons Attribution-NonCommercial-ShareAlike 4.0", "CC-BY-NC-SA"),
        ("https://creativecommons.org/licenses/by-nd/4.0/", "CC-BY-ND"),
        ("CC BY 4.0", "CC-BY"),
        ("CC0 1.0 Universal", "CC0-1.0"),
        ("Redistribution and use in source and binary forms, with or without", "BSD"),
        ("MIT License", "MIT"),
        ("Use is permitted to those who bought it, and submitted to a limit.", "unknown"),
        ("I hereby put this font into the public domain.", "public-domain"),
        ("This font is not in the public domain.", "unknown"),
        ("placing your changes in the Public Domain or otherwise", "unknown"),
        ("", "unknown"),
    ],
)  # fmt: skip
def test_a_licence_is_named_only_where_its_text_is_sure(text: str, name: str):
    assert short_licence(text) == name
