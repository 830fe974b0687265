"""Reads FITS files with astropy, which knows nothing of our writer: headers, digests of the data, and what its checks say."""

import hashlib
import json
import sys
import warnings

from astropy.io import fits

files = {}
for path in sys.argv[1:]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with fits.open(path, mode="readonly", do_not_scale_image_data=True, checksum=True) as units:
            units.verify("exception")
            files[path] = [
                {
                    "cards": [[card.keyword, card.value, card.comment] for card in unit.header.cards if card.keyword],
                    "data": hashlib.md5(unit.data.tobytes()).hexdigest() if unit.data is not None else None,
                }
                for unit in units
            ]
    if caught:
        raise SystemExit(f"{path}: {[str(warning.message) for warning in caught]}")
print(json.dumps(files))
