"""Plain mode: from a header (the JSON sidecar, or the FITS primary header) to what the Butler stores of an exposure."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any, Literal

from astropy.time import Time, TimeDelta

from . import instruments
from .instruments import Detector, Instrument
from .protocol import FileFault

Kind = Literal["raw", "guider", "lfa"]

# dayObs is moved by this for exposures of another system than the observatory's own (controllers O, C, H, P, Q, S).
_CONTROLLER_STEP = 1000_00_00
_SEQ_NUM_LIMIT = 100_000


@dataclasses.dataclass(frozen=True)
class Facts:
    """One file: where it belongs in the Butler, and what the Butler keeps of its exposure."""

    instrument: Instrument
    detector: Detector
    obs_id: str
    physical_filter: str
    band: str
    day_obs: int
    group: str
    exposure: dict[str, Any]
    """Values of the exposure record, by column."""

    @property
    def exposure_id(self) -> int:
        return int(self.exposure["id"])


def read(path: str, header: dict[str, Any] | None, kind: Kind) -> Facts:
    """Reads a header.

    Raises `FileFault` (METADATA) that names what is missing; retryable, because a sidecar may come later than its file.
    """
    if not isinstance(header, dict) or not header:
        raise _fault(path, "there is neither a sidecar nor a FITS header to read")
    return _Header(path, header).facts(kind)


def _fault(path: str, text: str) -> FileFault:
    return FileFault("METADATA", f'Cannot read the metadata of "{path}": {text}.', retryable=True)


class _Header:
    def __init__(self, path: str, header: dict[str, Any]) -> None:
        self._path = path
        self._header = header

    def facts(self, kind: Kind) -> Facts:
        name = self._text("INSTRUME")
        instrument = instruments.large_file_annex(name) if kind == "lfa" else instruments.find(name)
        if instrument is None:
            known = ", ".join(sorted(table.name for table in instruments.tables().values()))
            raise _fault(self._path, f'INSTRUME is "{name}", known are {known}')
        detector = self._detector(instrument, kind)
        obs_id = self._path.rpartition("/")[2].partition(".")[0][:64] if kind == "lfa" else self._text("OBSID")
        day_obs = self._day_obs(kind)
        seq_num = self._seq_num(kind, obs_id)
        begin, end = self._times()
        physical_filter = self._filter()
        band = instrument.bands.get(physical_filter) or str(self._get("FILTBAND") or "unknown")
        group = str(self._get("GROUPID") or obs_id)[:64]
        exposure_id = self._exposure_id(instrument, obs_id, day_obs, seq_num)
        observation_type = str(self._get("IMGTYPE") or "unknown").lower()
        elevation = self._number("ELSTART")
        exposure = {
            "instrument": instrument.name,
            "id": exposure_id,
            "obs_id": obs_id,
            "physical_filter": physical_filter,
            "group": group,
            "day_obs": day_obs,
            "seq_num": seq_num,
            "seq_start": seq_num,
            "seq_end": seq_num,
            "exposure_time": self._number("EXPTIME"),
            "dark_time": self._number("DARKTIME"),
            "observation_type": ("science" if observation_type == "object" else observation_type)[:16],
            "observation_reason": str(self._get("REASON") or self._get("TESTTYPE") or "unknown")[:68],
            "target_name": str(self._get("OBJECT") or "UNKNOWN")[:64],
            "science_program": str(self._get("PROGRAM") or "unknown")[:64],
            "tracking_ra": self._number("RA"),
            "tracking_dec": self._number("DEC"),
            "sky_angle": self._number("ROTPA"),
            "azimuth": self._number("AZSTART"),
            "zenith_angle": None if elevation is None else 90.0 - elevation,
            "has_simulated": bool(self._get("SIMULATE")),
            "can_see_sky": None,
            "begin": begin,
            "end": end,
        }
        return Facts(instrument, detector, obs_id, physical_filter, band, day_obs, group, exposure)

    def _get(self, keyword: str) -> Any:
        value = self._header.get(keyword)
        return value.strip() or None if isinstance(value, str) else value

    def _text(self, keyword: str) -> str:
        value = self._get(keyword)
        if not isinstance(value, (str, int)):
            raise _fault(self._path, f"{keyword} is missing")
        return str(value)

    def _number(self, keyword: str) -> float | None:
        value = self._get(keyword)
        try:
            number = float(value)
        except (TypeError, ValueError):
            return None
        return number if math.isfinite(number) else None

    def _detector(self, instrument: Instrument, kind: Kind) -> Detector:
        if kind == "lfa":
            return instrument.detectors[0]
        raft, sensor = self._text("RAFTBAY"), self._text("CCDSLOT")
        detector = instrument.detector(raft, sensor)
        if detector is None:
            raise _fault(self._path, f'{instrument.name} has no detector at RAFTBAY "{raft}", CCDSLOT "{sensor}"')
        if (detector.purpose == "GUIDER") != (kind == "guider"):
            raise _fault(self._path, f"detector {detector.name} is a {detector.purpose} one, the file is named a {kind} file")
        return detector

    def _day_obs(self, kind: Kind) -> int:
        text = str(self._get("DAYOBS") or "").replace("-", "")
        if kind == "lfa" and not text and (found := re.search(r"/(\d{4})/(\d\d)/(\d\d)/", self._path)):
            text = "".join(found.groups())
        if not re.fullmatch(r"\d{8}", text, re.ASCII):
            raise _fault(self._path, f'DAYOBS is "{self._get("DAYOBS")}", not YYYYMMDD')
        return int(text)

    def _seq_num(self, kind: Kind, obs_id: str) -> int:
        value = self._get("SEQNUM")
        if value is None and kind == "lfa" and (digits := re.search(r"(\d{1,5})$", obs_id)):
            value = digits[1]
        try:
            seq_num = int(value)
        except (TypeError, ValueError):
            seq_num = -1
        if not 0 <= seq_num < _SEQ_NUM_LIMIT:
            raise _fault(self._path, f'SEQNUM is "{value}", not a whole number of at most five digits')
        return seq_num

    def _exposure_id(self, instrument: Instrument, obs_id: str, day_obs: int, seq_num: int) -> int:
        parts = obs_id.split("_")
        controller = str(self._get("CONTRLLR") or (parts[1] if len(parts) == 4 else "O"))
        index = instrument.controllers.find(controller) if len(controller) == 1 else -1
        if instrument.code == "":
            index = 0
        if index < 0:
            raise _fault(self._path, f'CONTRLLR is "{controller}", not one of {", ".join(instrument.controllers)}')
        exposure_id = (day_obs + index * _CONTROLLER_STEP) * _SEQ_NUM_LIMIT + seq_num
        if exposure_id >= instrument.exposure_max:
            raise _fault(self._path, f"exposure {exposure_id} is above the largest of {instrument.name}")
        return exposure_id

    def _filter(self) -> str:
        parts = [str(part) for part in (self._get("FILTER"), self._get("GRATING")) if part is not None]
        return "~".join(parts)[:32] or "unknown"

    def _times(self) -> tuple[Time, Time]:
        begin = self._time("DATE-BEG", "MJD-BEG")
        if begin is None:
            raise _fault(self._path, "neither DATE-BEG nor MJD-BEG says when the exposure began")
        end = self._time("DATE-END", "MJD-END") or begin + TimeDelta(self._number("EXPTIME") or 0.0, format="sec")
        if end < begin:
            raise _fault(self._path, f"the exposure ends ({end.isot}) before it begins ({begin.isot})")
        return begin, end

    def _time(self, date_keyword: str, mjd_keyword: str) -> Time | None:
        scale = str(self._get("TIMESYS") or "TAI").lower()
        text, mjd = self._get(date_keyword), self._number(mjd_keyword)
        try:
            if isinstance(text, str):
                return Time(text, format="isot", scale=scale).tai
            return None if mjd is None else Time(mjd, format="mjd", scale=scale).tai
        except ValueError as error:
            raise _fault(self._path, f"{date_keyword} or {mjd_keyword} is no time ({error})") from error
