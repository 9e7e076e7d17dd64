"""Which addresses a stranger's URL may lead to."""

import pytest

from imagemake.core.public_addresses import is_loopback, is_public


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "2a00:1450:4001::1", "::ffff:1.1.1.1"]
)
def test_addresses_of_the_internet_are_public(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.9.9.9", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
        *("169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "168.63.129.16"),  # metadata of clouds
        *("192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1", "240.0.0.1"),
        *("255.255.255.255", "192.88.99.1"),
        *("::", "::1", "fe80::1", "fe80::1%2", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "::ffff:10.0.0.1", "::10.0.0.1", "::ffff:0:10.0.0.1"),
        *("64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b:1::a00:1", "2002:a00:1::", "2002:7f00:1::1"),
        *("2002:101:101::1", "2001:0:1::1", "2001:20::1", "3fff::1", "100::1", "5f00::1", "4000::1"),
    ],
)
def test_addresses_of_this_machine_its_networks_and_its_cloud_are_not(address):
    assert not is_public(address)


def test_a_translated_address_counts_as_the_address_behind_it():
    assert is_public("64:ff9b::1.1.1.1")


@pytest.mark.parametrize(
    "host", ["localhost", "LocalHost.", "a.localhost", "127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"]
)
def test_this_machine_is_known_by_its_names(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "localhost.example.org", "127.0.0.1.example.org", "10.0.0.1", "2130706433"])
def test_other_hosts_are_not_this_machine(host):
    assert not is_loopback(host)
