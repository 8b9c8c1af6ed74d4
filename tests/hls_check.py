#!/usr/bin/env python3
"""Plays low-latency HLS and holds every playlist against draft-pantos-hls-rfc8216bis (sections in brackets).

usage: hls_check.py URL [SECONDS]

Follows each rendition by blocking reload for SECONDS (60), loads every part, hint and segment once, and asks
for delta updates in between. Prints one line of figures; each broken rule is a line on standard error, and
then the status is 1.
"""
import concurrent.futures
import re
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime

problems = []
lock = threading.Lock()


def wrong(text):
    with lock:
        problems.append(text)
        print(text, file=sys.stderr)


def get(url, timeout=20):
    """(status, body); None as status when the connection broke."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as e:
        return e.code, e.read()
    except OSError as e:
        return None, str(e).encode()


def attributes(text):
    return {k: v.strip('"') for k, v in re.findall(r'([A-Z0-9-]+)=("[^"]*"|[^,]*)', text)}


class Playlist:
    def __init__(self, text):
        self.text = text
        self.tags, self.segments, self.reports = {}, [], {}
        self.hint, self.skipped, self.ended, self.msn, self.dsn = None, 0, False, 0, 0
        new = lambda: dict(parts=[], date=None, disc=False, map=None, uri=None, duration=None)
        lines, now, last_map = text.split('\n'), new(), None
        if lines[0] != '#EXTM3U':
            wrong('a playlist does not begin with #EXTM3U [4.4.1.1]')
        for line in lines[1:]:
            tag, _, value = line.partition(':')
            if tag == '#EXT-X-PART':
                now['parts'].append(attributes(value))
            elif tag == '#EXTINF':
                now['duration'] = float(value.rstrip(','))
            elif tag == '#EXT-X-PROGRAM-DATE-TIME':
                now['date'] = datetime.fromisoformat(value.replace('Z', '+00:00')).timestamp()
            elif tag == '#EXT-X-DISCONTINUITY':
                now['disc'] = True
            elif tag == '#EXT-X-MAP':
                last_map = attributes(value)['URI']
            elif tag == '#EXT-X-PRELOAD-HINT':
                self.hint = attributes(value)
            elif tag == '#EXT-X-RENDITION-REPORT':
                a = attributes(value)
                self.reports[a['URI']] = (int(a['LAST-MSN']), int(a['LAST-PART']))
            elif tag == '#EXT-X-SKIP':
                self.skipped = int(attributes(value)['SKIPPED-SEGMENTS'])
            elif tag == '#EXT-X-ENDLIST':
                self.ended = True
            elif line.startswith('#'):
                self.tags[tag] = value
            elif line:
                now.update(uri=line, map=last_map)
                self.segments.append(now)
                now = new()
        if now['parts']:
            now['map'] = last_map
            self.segments.append(now)
        self.msn = int(self.tags.get('#EXT-X-MEDIA-SEQUENCE', 0))
        self.dsn = int(self.tags.get('#EXT-X-DISCONTINUITY-SEQUENCE', 0))
        self.target = int(self.tags['#EXT-X-TARGETDURATION'])
        self.control = attributes(self.tags.get('#EXT-X-SERVER-CONTROL', ''))
        self.part_target = float(attributes(self.tags.get('#EXT-X-PART-INF', 'PART-TARGET=0'))['PART-TARGET'])

    def numbered(self):
        return [(self.msn + self.skipped + i, s) for i, s in enumerate(self.segments)]

    def last(self):
        n, s = self.numbered()[-1]
        return n, len(s['parts']) - 1


def check_one(name, p):
    """Rules that a playlist keeps by itself."""
    if p.control.get('CAN-BLOCK-RELOAD') != 'YES':
        wrong(f'{name}: no CAN-BLOCK-RELOAD [4.4.3.8]')
    if float(p.control['PART-HOLD-BACK']) < 3 * p.part_target - 1e-9:
        wrong(f'{name}: PART-HOLD-BACK is under three part targets [4.4.3.8]')
    if float(p.control['CAN-SKIP-UNTIL']) < 6 * p.target:
        wrong(f'{name}: CAN-SKIP-UNTIL is under six target durations [4.4.3.8]')
    behind, date = 0.0, None
    for n, s in reversed(p.numbered()):
        whole = s['uri'] is not None
        length = s['duration'] if whole else sum(float(a['DURATION']) for a in s['parts'])
        if whole and int(length + 0.5) > p.target:
            wrong(f'{name}: segment {n} lasts {length}, the target is {p.target} [4.4.3.1]')
        if behind < 3 * p.target and not s['parts']:
            wrong(f'{name}: segment {n} is {behind:.1f} s from the end and has no parts [6.2.2]')
        if s['parts'] and whole and abs(sum(float(a['DURATION']) for a in s['parts']) - length) > 1e-3:
            wrong(f'{name}: the parts of segment {n} are not as long as it is')
        for i, a in enumerate(s['parts']):
            d = float(a['DURATION'])
            if d > p.part_target + 1e-6:
                wrong(f'{name}: a part lasts {d}, the part target is {p.part_target} [4.4.3.7]')
            last = i == len(s['parts']) - 1
            if d < 0.85 * p.part_target and not last and a.get('INDEPENDENT') != 'YES':
                wrong(f'{name}: a part lasts {d}, under 85 % of {p.part_target} [4.4.4.9]')
        if s['parts'] and s['parts'][0].get('INDEPENDENT') != 'YES':
            wrong(f'{name}: segment {n} does not begin independent, though all are said to be [4.4.2.1]')
        if not s['map']:
            if not p.skipped:
                wrong(f'{name}: segment {n} has no EXT-X-MAP')
        # Dates follow durations, but for a discontinuity.
        if date is not None and not gap and s['date'] is not None and abs(date - s['date'] - length) > 0.006:
            wrong(f'{name}: segment {n} is dated {date - s["date"]:.3f} s before the next and lasts {length}')
        date, gap = s['date'], s['disc']
        behind += length
    if not p.ended and not p.hint:
        wrong(f'{name}: no preload hint')


def check_next(name, old, new):
    """Rules between two versions of the same playlist [6.2.1]."""
    if new.msn < old.msn:
        wrong(f'{name}: the media sequence goes back from {old.msn} to {new.msn}')
    if new.dsn < old.dsn:
        wrong(f'{name}: the discontinuity sequence goes back')
    if new.target != old.target:
        wrong(f'{name}: the target duration changes from {old.target} to {new.target}')
    if new.last() < old.last():
        wrong(f'{name}: it ends at {new.last()}, and ended at {old.last()} before')
    before = dict(old.numbered())
    for n, s in new.numbered():
        o = before.get(n)
        if not o:
            continue
        if o['uri'] and (o['uri'], o['duration'], o['date']) != (s['uri'], s['duration'], s['date']):
            wrong(f'{name}: segment {n} has changed')
        if s['parts'] and s['parts'][:len(o['parts'])] != o['parts']:
            wrong(f'{name}: the parts of segment {n} have changed')
    # 4.4.5.3: what was hinted at becomes the next part.
    if old.hint and new.last() > old.last():
        known = {a['URI'] for _, s in old.numbered() for a in s['parts']}
        fresh = [a['URI'] for _, s in new.numbered() for a in s['parts'] if a['URI'] not in known]
        if fresh and fresh[0] != old.hint['URI']:
            wrong(f'{name}: {old.hint["URI"]} was hinted at, {fresh[0]} came')


def check_skip(name, full, delta):
    """A delta update says what the whole playlist does [6.2.5.1]."""
    if not delta.skipped:
        return 0
    offset = delta.msn - full.msn + delta.skipped
    for mine, theirs in zip(full.segments[offset:], delta.segments):
        if mine['uri'] != theirs['uri'] and mine['uri'] and theirs['uri']:
            wrong(f'{name}: after EXT-X-SKIP comes {theirs["uri"]}, not {mine["uri"]}')
    kept = sum(s['duration'] or 0 for s in delta.segments)
    if kept < float(delta.control['CAN-SKIP-UNTIL']) - delta.target - 1:
        wrong(f'{name}: only {kept:.1f} s are left after skipping')
    return 1


class Rendition:
    def __init__(self, base, name):
        self.base, self.name = base, name
        self.url = urllib.parse.urljoin(base, name)
        self.versions = self.parts = self.hints = self.skips = self.bytes = 0
        self.loaded, self.now, self.late = {}, None, []

    def load(self, uri):
        if uri in self.loaded:
            return
        status, body = get(urllib.parse.urljoin(self.url, uri))
        if status != 200 or not body:
            wrong(f'{self.name}: {uri} is {status}')
        self.loaded[uri] = body
        self.bytes += len(body)

    def fetch(self, query=''):
        started = time.time()
        status, body = get(self.url + query)
        if status != 200:
            wrong(f'{self.name}{query}: {status} after {time.time() - started:.2f} s')
            return None
        return Playlist(body.decode())

    def follow(self, until, pool):
        self.now = self.fetch()
        if not self.now:
            return
        check_one(self.name, self.now)
        while time.time() < until and not self.now.ended:
            msn, part = self.now.last()
            closed = self.now.numbered()[-1][1]['uri'] is not None
            ask = f'?_HLS_msn={msn + 1 if closed else msn}&_HLS_part={0 if closed else part + 1}'
            hint = pool.submit(self.load, self.now.hint['URI']) if self.now.hint else None
            new = self.fetch(ask)
            if not new:
                return
            if new.last() <= (msn, part):
                wrong(f'{self.name}: {ask} was answered with {new.last()} [6.2.5.2]')
            check_one(self.name, new)
            check_next(self.name, self.now, new)
            if hint:
                hint.result()
                self.hints += 1
            for _, s in new.numbered():
                for uri in [a['URI'] for a in s['parts']] + ([s['uri']] if s['uri'] else []):
                    self.load(uri)
                if s['uri'] and s['parts']:
                    glued = b''.join(self.loaded[a['URI']] for a in s['parts'])
                    if glued != self.loaded[s['uri']]:
                        wrong(f'{self.name}: {s["uri"]} is not its parts')
            delta = self.fetch(ask + '&_HLS_skip=YES')
            if delta and delta.last() == new.last():
                self.skips += check_skip(self.name, new, delta)
            self.versions += 1
            self.parts = len([u for u in self.loaded if '-p' in u])
            self.now = new


def refused(url, status):
    got, _ = get(url)
    if got != status:
        wrong(f'{url.rsplit("/", 1)[1]}: {got}, not {status}')


def main():
    url, length = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 60
    status, body = get(url)
    if status != 200:
        sys.exit(f'hls_check: {url}: {status} {body[:200]!r}')
    names = [l for l in body.decode().split('\n') if l and not l.startswith('#')]
    base = urllib.parse.urljoin(url, names[0])
    all_of_them = [Rendition(base, n.rsplit('/', 1)[1]) for n in names]
    until = time.time() + length
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for done in [pool.submit(r.follow, until, pool) for r in all_of_them]:
            done.result()
        for r in all_of_them:
            if not r.now or r.now.ended:
                continue
            # Of a segment that is whole any part further on is the next one's first (6.2.5.2).
            msn, _ = r.fetch().last()
            for q in (f'_HLS_msn={msn + 1}&_HLS_part=1000', f'_HLS_msn={msn + 10}', '_HLS_part=1',
                      '_HLS_msn=-1', '_HLS_msn=x', '_HLS_msn=1&_HLS_part=', '_HLS_skip=NO'):
                refused(f'{r.url}?{q}', 400)
            # 4.4.5.4: reports are as new as the playlist that has them.
            now = r.fetch()
            for other in all_of_them:
                if other is r:
                    continue
                if other.name not in now.reports:
                    wrong(f'{r.name}: no report of {other.name}')
                    continue
                theirs, mine = other.fetch().last(), now.reports[other.name]
                if mine > theirs or theirs[0] - mine[0] > 1:
                    wrong(f'{r.name}: reports {other.name} at {mine}, which is at {theirs}')
    print(' '.join(f'{r.name}: {r.versions} playlists, {r.parts} parts, {r.hints} hints, {r.skips} deltas,'
                   f' {r.bytes} bytes;' for r in all_of_them), f'{len(problems)} problems')
    return 1 if problems or not all(r.versions for r in all_of_them) else 0


if __name__ == '__main__':
    sys.exit(main())
