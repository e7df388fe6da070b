"""Says what comes by an interface for a UDP port, as a client of DHCP hears it: by a packet socket, before any firewall."""

import socket
import sys

listener = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
listener.bind((sys.argv[1], 0x0800))
print("listening", flush=True)
while True:
    packet = listener.recv(2000)
    start = 4 * (packet[0] & 15)
    if packet[9] == socket.IPPROTO_UDP:
        print("heard", int.from_bytes(packet[start + 2 : start + 4], "big"), flush=True)
