"""Ways to write an address, and a decoder that knows them apart from the code under test."""

import base64
import html
import ipaddress
import re
import unicodedata
from functools import lru_cache
from urllib.parse import quote, unquote


def _octets(address):
    return str(address).split(".")


def _number(address):
    return int(ipaddress.IPv4Address(address))


V4_TEXT = {
    "plain": lambda a: a,
    "with port": lambda a: f"{a}:8443",
    "with prefix": lambda a: f"{a}/32",
    "in brackets": lambda a: a.replace(".", "[.]"),
    "last in brackets": lambda a: "[.]".join(a.rsplit(".", 1)),
    "in parentheses": lambda a: a.replace(".", "(.)"),
    "in braces": lambda a: a.replace(".", "{.}"),
    "half a bracket": lambda a: a.replace(".", "[."),
    "other half": lambda a: a.replace(".", ".]"),
    "bracketed word": lambda a: a.replace(".", "[dot]"),
    "parenthesised word": lambda a: a.replace(".", " (dot) "),
    "spoken": lambda a: a.replace(".", " dot "),
    "spaced": lambda a: a.replace(".", " . "),
    "spaced behind": lambda a: a.replace(".", ". "),
    "quoted dots": lambda a: a.replace(".", '"."'),
    "percent dots": lambda a: a.replace(".", "%2E"),
    "percent all": lambda a: "".join(f"%{ord(c):02x}" for c in a),
    "percent twice": lambda a: quote(a.replace(".", "%2E")),
    "entities": lambda a: a.replace(".", "&#46;"),
    "hex entities": lambda a: a.replace(".", "&#x2e;"),
    "named entities": lambda a: a.replace(".", "&period;"),
    "escaped dots": lambda a: a.replace(".", "\\."),
    "unicode escapes": lambda a: a.replace(".", "\\u002e"),
    "hex escapes": lambda a: a.replace(".", "\\x2e"),
    "quoted printable": lambda a: a.replace(".", "=2E"),
    "full width": lambda a: "".join(chr(ord(c) + 0xFEE0) for c in a),
    "ideographic stop": lambda a: a.replace(".", "。"),
    "leader dots": lambda a: a.replace(".", "․"),
    "arabic digits": lambda a: "".join(chr(0x660 + int(c)) if c.isdigit() else c for c in a),
    "zero width": "\u200b".join,
    "soft hyphens": lambda a: a.replace(".", "\u00ad."),
    "tags": lambda a: a.replace(".", "<b>.</b>"),
    "hexadecimal": lambda a: ".".join(f"0x{int(o):02X}" for o in _octets(a)),
    "octal": lambda a: ".".join(f"0{int(o):03o}" for o in _octets(a)),
    "padded": lambda a: ".".join(f"{int(o):03d}" for o in _octets(a)),
    "mapped": lambda a: f"::ffff:{a}",
    "mapped hex": lambda a: str(ipaddress.IPv6Address("::ffff:" + a)),
    "six to four": lambda a: f"2002:{_number(a) >> 16:x}:{_number(a) & 65535:x}::1",
    "nat64": lambda a: f"64:ff9b::{a}",
    "url": lambda a: f"http://{a}/gate.php",
    "defanged url": lambda a: f"hxxp[://]{a.replace('.', '[.]')}/gate.php",
    "url with user": lambda a: f"ftp://bob:pw@{a}/",
    "decimal url": lambda a: f"https://{_number(a)}/x",
    "hex url": lambda a: f"http://0x{_number(a):08x}/x",
    "octal url": lambda a: f"http://{'.'.join(f'0{int(o):03o}' for o in _octets(a))}:80/x",
    "three part url": lambda a: f"http://{'.'.join(_octets(a)[:2])}.{_number(a) & 65535}/x",
    "backslash url": lambda a: f"http:\\\\{a}\\x",
    "reverse name": lambda a: f"{'.'.join(reversed(_octets(a)))}.in-addr.arpa",
    "host name": lambda a: f"ec2-{a.replace('.', '-')}.compute.example.com",
    "wildcard name": lambda a: f"{a}.nip.io",
    "hex name": lambda a: f"{_number(a):08x}.nip.io",
    "tcpdump": lambda a: f"{a}.443",
    "range": lambda a: f"{a}-254",
    "underlined": lambda a: f"_{a}_",
    "glued": lambda a: f"c2at{a}now",
    "list": lambda a: f"{a},10.0.0.1;{a}|{a}",
    "bold": lambda a: a.replace(".", ".**", 1).replace(".", "**.", 2).replace("**.**", ".**"),
    "code": lambda a: a.replace(".", "`.`"),
    "base 64": lambda a: base64.b64encode(f"curl {a}/x".encode()).decode(),
    "utf-16 in base 64": lambda a: f"powershell -enc {base64.b64encode(f'curl {a}'.encode('utf-16-le')).decode()}",
    "hex dump": lambda a: a.encode().hex(),
    "hex dump of a line": lambda a: f"curl -s http://{a}/x".encode().hex().upper(),
}
V6_TEXT = {
    "compressed": str,
    "exploded": lambda a: a.exploded,
    "upper case": lambda a: a.exploded.upper(),
    "bracketed": lambda a: f"[{a}]:443",
    "url": lambda a: f"http://[{a}]:8080/x",
    "with prefix": lambda a: f"{a}/128",
    "with zone": lambda a: f"{a}%eth0",
    "defanged": lambda a: str(a).replace(":", "[:]"),
    "entities": lambda a: str(a).replace(":", "&#58;"),
    "percent": lambda a: str(a).replace(":", "%3A"),
    "full width": lambda a: str(a).replace(":", "："),
    "zero width": lambda a: "\u200d".join(str(a)),
    "with port": lambda a: f"{a.exploded}:443",
    "reverse name": lambda a: a.reverse_pointer,
    "literal name": lambda a: f"{str(a).replace(':', '-')}.ipv6-literal.net",
    "glued": lambda a: f"c2at{a}now",
    "sentence": lambda a: f"came from {a}, then {a}: gone.",
}


def unpacked(token):
    """What base 64 or hexadecimal digits may stand for."""
    whole = token[: len(token) // 4 * 4]
    even = token[: len(token) // 2 * 2]
    digits = bytes.fromhex(even) if re.fullmatch("[0-9A-Fa-f]+", even) else b""
    return (base64.b64decode(whole) + b" " + digits).decode("latin-1").replace("\0", "")


@lru_cache(maxsize=4096)
def decoded(text):
    """All the layers of a text, plain."""
    layers = [text]
    for _ in range(4):
        text = html.unescape(unquote(text))
        text = re.sub(r"\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})", lambda m: chr(int(m[1] or m[2], 16)), text)
        text = re.sub(r"</?[a-z]+>", "", text)
        text = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
        text = "".join(str(unicodedata.digit(c)) if unicodedata.category(c) == "Nd" else c for c in text)
        text = text.replace("。", ".").replace("\\", "")
        layers.append(text)
    layers += [unpacked(each) for each in re.findall(r"[0-9A-Za-z+/]{12,}", layers[0])]
    layers.append(re.sub(r"=([0-9A-F]{2})", lambda m: chr(int(m[1], 16)), layers[0]))
    return layers + [re.sub(r"\s|[\[\](){}<>\"'*_|]", "", each.replace("dot", ".")) for each in layers]


@lru_cache(maxsize=4096)
def tells_v4(text, address):
    octets = [int(o) for o in _octets(address)]
    spelt = [rf"(?:0*{o}|0x0*{o:x}|0+{o:o})" for o in octets]
    number = _number(address)
    spellings = [
        rf"(?<![0-9]){spelt[0]}[.,_-]{spelt[1]}[.,_-]{spelt[2]}[.,_-]{spelt[3]}(?![0-9])",
        rf"(?<![0-9]){spelt[3]}\.{spelt[2]}\.{spelt[1]}\.{spelt[0]}(?![0-9])",
        rf"(?<![0-9]){number}(?![0-9])",
        rf"(?<![0-9a-f])(?:0x)?{number:08x}(?![0-9a-f])",
        rf"(?<![0-9a-f])0*{number >> 16:x}:0*{number & 65535:x}(?![0-9a-f])",
        rf"(?<![0-9]){octets[0]}\.{octets[1]}\.{number & 65535}(?![0-9])",
    ]
    return any(re.search(each, layer, re.IGNORECASE) for layer in decoded(text) for each in spellings)


@lru_cache(maxsize=4096)
def tells_v6(text, address):
    groups = address.exploded.split(":")
    tail = [group.lstrip("0") or "0" for group in groups[5:]]
    for layer in decoded(text):
        plain = layer.lower()
        for run in re.findall(r"[0-9a-f:]*:[0-9a-f:]+", plain):
            for end in range(len(run), 1, -1):
                try:
                    if ipaddress.IPv6Address(run[:end]) == address:
                        return True
                except ValueError:
                    continue
        if ":".join(tail) in plain or ":".join(groups[5:]) in plain or "-".join(tail) in plain:
            return True
        if address.reverse_pointer in plain:
            return True
    return False


MAIL_TEXT = {
    "plain": lambda local, domain: f"{local}@{domain}",
    "upper case": lambda local, domain: f"{local}@{domain}".upper(),
    "tagged": lambda local, domain: f"{local}+news@{domain}",
    "named": lambda local, domain: f'"Keller, Anna" <{local}@{domain}>'.replace("Keller, Anna", "K., A."),
    "in brackets": lambda local, domain: f"{local}[@]{domain.replace('.', '[.]')}",
    "at in brackets": lambda local, domain: f"{local}[at]{domain}",
    "at in parentheses": lambda local, domain: f"{local} (at) {domain.replace('.', ' (dot) ')}",
    "at in braces": lambda local, domain: f"{local}{{at}}{domain}",
    "spoken": lambda local, domain: f"{local} at {domain.replace('.', ' dot ')}",
    "underscores": lambda local, domain: f"{local}_at_{domain}",
    "spaced": lambda local, domain: f"{local} @ {domain}",
    "percent": lambda local, domain: f"{local}%40{domain}",
    "percent twice": lambda local, domain: f"{local}%2540{domain}",
    "entity": lambda local, domain: f"{local}&#64;{domain}",
    "named entity": lambda local, domain: f"{local}&commat;{domain}",
    "escape": lambda local, domain: f"{local}\\u0040{domain}",
    "quoted printable": lambda local, domain: f"{local}=40{domain}",
    "full width": lambda local, domain: f"{local}＠{domain}",
    "zero width": lambda local, domain: "\u200b".join(f"{local}@{domain}"),
    "tags": lambda local, domain: f"{local}<b>@</b>{domain}",
    "link": lambda local, domain: f"mailto:{local}@{domain}?subject=hi",
    "message id": lambda local, domain: f"<20260210.{local}@{domain}>",
    "bounce": lambda local, domain: f"bounce+{local}={domain}@esp.example",
    "by address": lambda local, domain: f"{local}@[192.0.2.1]",
    "in a sentence": lambda local, domain: f"write to {local}@{domain}. Thanks",
    "list": lambda local, domain: f"x@y.example;{local}@{domain},b@c.example",
    "base 64": lambda local, domain: base64.b64encode(f"from {local}@{domain}".encode()).decode(),
}


@lru_cache(maxsize=4096)
def tells_mail(text, name):
    return any(name in layer.lower() for layer in decoded(text))
