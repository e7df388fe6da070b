# What `sandboxed-probe --judge` runs: the contender's unit, with the probe in the service's place. The plan comes on
# standard input, the report goes to standard output; a unit that does not run says why on standard error.
cat > /run/comparison/plan.json
: > /run/comparison/report.json
: > /run/comparison/errors
if systemctl start ledger.service 2> /run/comparison/refusal; then
    while systemctl show --property=ActiveState --value ledger.service | grep -Eq '^(activating|active|deactivating)$'; do
        sleep 0.2
    done
fi
if [ ! -s /run/comparison/report.json ]; then
    journalctl --no-pager --boot --output=cat --unit=ledger.service --lines=8 | grep -v ': Consumed ' >&2
    tail -n 5 /run/comparison/errors >&2
    exit 1
fi
cat /run/comparison/report.json
