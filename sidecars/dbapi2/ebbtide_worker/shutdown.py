"""The end of a connection by its socket."""

import socket
import sys

# The option that tells the family of a socket, on Linux.
SO_DOMAIN = 39


def shutdown(link):
    """Returns the function that ends a connection by its socket, whatever another thread does with it."""

    def end():
        socket.socket.shutdown(link, socket.SHUT_RDWR)

    return end


def socket_by_number(descriptor):
    """Returns a copy of a socket of which a module tells no more than the number, which might become another's."""
    copy = socket.fromfd(descriptor, socket.AF_INET, socket.SOCK_STREAM)
    # Addresses are read by the family, which Python finds out by itself from 3.7 on.
    family = copy.getsockopt(socket.SOL_SOCKET, SO_DOMAIN) if sys.version_info < (3, 7) else -1
    return socket.socket(family, fileno=copy.detach())
