"""Reckons exported months anew, in another language than the one that billed them, from nothing but the exports.

    python3 recompute.py 2026-01.ndjson 2026-02.ndjson ..

Prints what differs and ends with 1, or prints what was reckoned and ends with 0. Integers only.
"""

import json
import sys
from collections import defaultdict
from datetime import date, datetime, timedelta, timezone

JST = timezone(timedelta(hours=9))
differences = []


def expect(where, what, told, reckoned):
    if told != reckoned:
        differences.append(f"{where}: {what}: told {told}, reckoned {reckoned}")


def jst_day(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(JST).date()


def row_on(rows, day):
    """The last row to have begun, unless it has ended."""
    begun = [row for row in rows if date.fromisoformat(row["valid_from"]) <= day]
    row = max(begun, key=lambda row: row["valid_from"], default=None)
    if row is None or (row.get("valid_until") and day >= date.fromisoformat(row["valid_until"])):
        raise LookupError(f"no row on {day}")
    return row


def plan_on(account, day):
    begun = [plan for plan in account["plans"] if date.fromisoformat(plan["from"]) <= day]
    return (begun or account["plans"][:1])[-1]["plan"]


def prices(price):
    """[(uses before, yen)] of a price per use."""
    if isinstance(price, int):
        return [(0, price)]
    steps = [(0, 0)] if price.get("included") else []
    steps.append((price.get("included", 0), price["price"]))
    return steps + [(tier["above"], tier["price"]) for tier in price.get("tiers", [])]


def cost_of(steps, before, quantity):
    """What `quantity` uses after `before` others cost."""
    total = 0
    for place, (above, unit) in enumerate(steps):
        end = steps[place + 1][0] if place + 1 < len(steps) else None
        first = max(before, above)
        last = before + quantity if end is None else min(before + quantity, end)
        total += max(0, last - first) * unit
    return total


def month_days(month):
    year, number = map(int, month.split("-"))
    following = date(year + number // 12, number % 12 + 1, 1)
    return date(year, number, 1), following - timedelta(days=1)


def base_day(account, month):
    first, last = month_days(month)
    if account["activated_at"] is None or jst_day(account["activated_at"]) > last:
        return None
    if account["ended_at"] is not None and jst_day(account["ended_at"]) < first:
        return None
    return max(first, jst_day(account["activated_at"]))


def operator_amount(tariff, account, groups, places):
    """What uses come to at the operator's prices; `places` counts those before, and goes on."""
    total = 0
    for group in sorted(groups, key=lambda g: (g["month"], g["priced_on"])):
        day = date.fromisoformat(group["priced_on"])
        plan = plan_on(account, day)
        row = row_on([row for row in tariff["plans"] if row["plan"] == plan], day)
        place = (group["month"], plan, group["purpose"])
        total += cost_of(prices(row[group["purpose"]]), places[place], group["quantity"])
        places[place] += group["quantity"]
    return total


def jlis_amount(tariff, groups):
    total = 0
    for group in groups:
        if group["channel"] is not None:
            rows = [
                row
                for row in tariff["jlis_fees"]
                if row["channel"] == group["channel"]
                and group["kind"] in row["kinds"]
                and group["purpose"] in row["purposes"]
            ]
            fee = row_on(rows, date.fromisoformat(group["priced_on"]))["unit_price"]
            total += fee * group["quantity"]
    return total


def minimum_missing(tariff, account, month, used):
    day = base_day(account, month)
    if day is None:
        return 0
    plan = plan_on(account, day)
    row = row_on([row for row in tariff["plans"] if row["plan"] == plan], day)
    return max(0, row.get("minimum", 0) - used)


def split(amount, weights):
    if sum(weights) == 0:
        weights = [1] * len(weights)
    total, sign, amount = sum(weights), (1 if amount >= 0 else -1), abs(amount)
    shares = [amount * weight // total for weight in weights]
    order = sorted(range(len(weights)), key=lambda i: (-(amount * weights[i] % total), i))
    for place in order[: amount - sum(shares)]:
        shares[place] += 1
    return [sign * share for share in shares]


def shares_of(head):
    """What each tenant bears of all shared costs."""
    sharing = head["sharing"]
    active = sorted(sharing["active"].items())
    borne = defaultdict(int)
    if not sharing["costs"]:
        return borne
    key = row_on(head["tariff"]["sharing_keys"], month_days(head["period"])[0])
    for category, cost in sharing["costs"].items():
        equal = abs(cost) * key["equal"] // (key["equal"] + key["usage"]) * (1 if cost >= 0 else -1)
        before = sum(borne.values())
        for amount, weights in ((equal, [1] * len(active)), (cost - equal, [u for _, u in active])):
            for (tenant, _), share in zip(active, split(amount, weights)):
                borne[tenant] += share
        expect(head["period"], f"the shares of {category} together", sum(borne.values()) - before, cost)
    return borne


def tax_on(amount, percent, rounding):
    hundredths = abs(amount) * percent
    rounded = {"floor": hundredths, "half_up": hundredths + 50, "ceiling": hundredths + 99}[rounding] // 100
    return rounded if amount >= 0 else -rounded


def judge(head, exported, records, borne):
    invoice, account, tariff = exported["invoice"], exported["account"], head["tariff"]
    period, where = head["period"], invoice["number"]
    groups = defaultdict(int)
    for record in records:
        if record["meter"] == "verification":
            day = jst_day(record["accepted_at"])
            expect(where, f"month of {record['id']}", record["month"], f"{day:%Y-%m}")
            expect(where, f"day of {record['id']}", record["priced_on"], f"{day}")
        names = ("month", "priced_on", "purpose", "kind", "channel")
        groups[tuple(record[name] for name in names)] += record["quantity"]
    operations = [(record["meter"], record["operation"]) for record in records]
    expect(where, "distinct operations", len(set(operations)), len(operations))
    groups = [dict(zip(names, group), quantity=count) for group, count in groups.items()] if records else []
    told = defaultdict(int)
    for line in invoice["lines"]:
        expect(where, f"line {line['n']}", line["amount"], line["quantity"] * line["unit_price"])
        told[line["category"]] += line["amount"]
    own = [group for group in groups if group["month"] == period]
    reckoned = defaultdict(int)
    used = operator_amount(tariff, account, own, defaultdict(int))
    reckoned["platform_usage"] = used
    reckoned["jlis_fee"] = jlis_amount(tariff, own)
    day = base_day(account, period)
    if day is not None:
        plan = plan_on(account, day)
        rows = [row for row in tariff["plans"] if row["plan"] == plan]
        reckoned["platform_base"] = row_on(rows, day)["base_fee"]
        reckoned["minimum_charge"] = minimum_missing(tariff, account, period, used)
    reckoned["shared_cost"] = borne[exported["tenant"]]
    for month in {group["month"] for group in groups} - {period}:
        places = defaultdict(int)
        earlier = [group for group in exported["earlier"] if group["month"] == month]
        late = [group for group in groups if group["month"] == month]
        before = operator_amount(tariff, account, earlier, places)
        added = operator_amount(tariff, account, late, places)
        reckoned["adjustment"] += added + jlis_amount(tariff, late)
        reckoned["adjustment"] += minimum_missing(tariff, account, month, before + added)
        reckoned["adjustment"] -= minimum_missing(tariff, account, month, before)
    for category in told.keys() | reckoned.keys():
        expect(where, category, told[category], reckoned[category])
    by_rate = defaultdict(int)
    for line in invoice["lines"]:
        by_rate[line["tax_rate_percent"]] += line["amount"]
    subtotal = sum(reckoned.values())
    tax = sum(tax_on(amount, percent, invoice["tax_rounding"]) for percent, amount in by_rate.items())
    expect(where, "subtotal", invoice["subtotal"], subtotal)
    expect(where, "tax", invoice["tax"], tax)
    expect(where, "total", invoice["total"], subtotal + tax)
    return subtotal + tax


def month(path):
    invoices = records = total = 0
    head = exported = None
    pending = []
    with open(path, encoding="utf-8") as lines:
        for line in map(json.loads, lines):
            if line["type"] == "export":
                head, borne = line, shares_of(line)
            elif line["type"] == "record":
                pending.append(line)
            else:
                if exported is not None:
                    total += judge(head, exported, pending, borne)
                    invoices, records = invoices + 1, records + len(pending)
                exported, pending = line, []
    expect(path, "its last line", exported["type"], "end")
    expect(path, "invoices", exported["invoices"], invoices)
    expect(path, "records", exported["records"], records)
    return invoices, records, total


if __name__ == "__main__":
    sums = [month(path) for path in sys.argv[1:]]
    for difference in differences[:50]:
        print(difference)
    print(*(sum(column) for column in zip(*sums)))
    sys.exit(1 if differences else 0)
