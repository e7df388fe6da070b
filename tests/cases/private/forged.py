"""Sends a datagram in which somebody else is the sender: FROM, ITS-PORT, TO, PORT."""

import socket
import struct
import sys

source, source_port, to, port = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
family = socket.AF_INET6 if ":" in to else socket.AF_INET
addresses = socket.inet_pton(family, source) + socket.inet_pton(family, to)
data = b"question\n"
length = 8 + len(data)
udp = struct.pack("!HHHH", source_port, port, length, 0) + data


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF or 0xFFFF


whole = addresses + struct.pack("!LL", length, socket.IPPROTO_UDP) + udp
udp = udp[:6] + struct.pack("!H", checksum(whole)) + udp[8:]
if family == socket.AF_INET6:
    header = struct.pack("!LHBB", 6 << 28, length, socket.IPPROTO_UDP, 64) + addresses
    with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.sendto(header + udp, (to, 0, 0, 0))
else:
    # The kernel fills in the rest.
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0, 64, socket.IPPROTO_UDP, 0) + addresses
    with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.sendto(header + udp, (to, 0))
