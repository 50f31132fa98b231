"""A small inventory: items, stock movements, orders and reports. Input of `heed bench speculation`."""
from __future__ import annotations

import csv
import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path


class InventoryError(Exception):
    """Raised when a movement or an order cannot be carried out."""


@dataclass(frozen=True)
class Item:
    sku: str
    name: str
    price_cents: int
    weight_grams: int = 0

    def total_price(self, count: int) -> int:
        if count < 0:
            raise InventoryError(f"{self.sku}: count must not be negative, got {count}")
        return self.price_cents * count


@dataclass
class Movement:
    sku: str
    count: int
    day: date
    reason: str = "unknown"

    def is_outgoing(self) -> bool:
        return self.count < 0


@dataclass
class OrderLine:
    sku: str
    count: int


@dataclass
class Order:
    number: int
    customer: str
    lines: list[OrderLine] = field(default_factory=list)
    is_shipped: bool = False

    def add(self, sku: str, count: int) -> None:
        for line in self.lines:
            if line.sku == sku:
                line.count += count
                return
        self.lines.append(OrderLine(sku, count))

    def count_of(self, sku: str) -> int:
        return sum(line.count for line in self.lines if line.sku == sku)


class Inventory:
    def __init__(self) -> None:
        self.items: dict[str, Item] = {}
        self.movements: list[Movement] = []
        self.orders: dict[int, Order] = {}
        self._stock: dict[str, int] = defaultdict(int)
        self._next_order = 1

    def add_item(self, item: Item) -> None:
        if item.sku in self.items:
            raise InventoryError(f"{item.sku} is already known")
        self.items[item.sku] = item

    def find_item(self, sku: str) -> Item:
        try:
            return self.items[sku]
        except KeyError:
            raise InventoryError(f"{sku} is not known") from None

    def stock_of(self, sku: str) -> int:
        self.find_item(sku)
        return self._stock[sku]

    def move(self, sku: str, count: int, day: date, reason: str = "unknown") -> Movement:
        self.find_item(sku)
        if count == 0:
            raise InventoryError("a movement of nothing")
        if self._stock[sku] + count < 0:
            raise InventoryError(f"{sku}: {-count} wanted, {self._stock[sku]} in stock")
        movement = Movement(sku, count, day, reason)
        self.movements.append(movement)
        self._stock[sku] += count
        return movement

    def receive(self, sku: str, count: int, day: date) -> Movement:
        if count < 0:
            raise InventoryError("received counts must be positive")
        return self.move(sku, count, day, "received")

    def new_order(self, customer: str) -> Order:
        order = Order(self._next_order, customer)
        self.orders[order.number] = order
        self._next_order += 1
        return order

    def can_ship(self, order: Order) -> bool:
        return all(self.stock_of(line.sku) >= line.count for line in order.lines)

    def ship(self, number: int, day: date) -> int:
        order = self.orders[number]
        if order.is_shipped:
            raise InventoryError(f"order {number} was shipped before")
        if not self.can_ship(order):
            raise InventoryError(f"order {number} cannot be shipped: not enough stock")
        weight_grams = 0
        for line in order.lines:
            self.move(line.sku, -line.count, day, f"order {number}")
            weight_grams += self.find_item(line.sku).weight_grams * line.count
        order.is_shipped = True
        return weight_grams

    def value_cents(self) -> int:
        return sum(item.total_price(self._stock[sku]) for sku, item in self.items.items())

    def missing_for(self, order: Order) -> dict[str, int]:
        missing = {}
        for line in order.lines:
            gap = line.count - self.stock_of(line.sku)
            if gap > 0:
                missing[line.sku] = gap
        return missing


def movements_between(inventory: Inventory, first: date, last: date) -> list[Movement]:
    return [m for m in inventory.movements if first <= m.day <= last]


def sold_per_day(inventory: Inventory, sku: str) -> dict[date, int]:
    sold: dict[date, int] = defaultdict(int)
    for movement in inventory.movements:
        if movement.sku == sku and movement.is_outgoing():
            sold[movement.day] -= movement.count
    return dict(sold)


def average_daily_sales(inventory: Inventory, sku: str, days: int, today: date) -> float:
    if days < 1:
        raise InventoryError(f"days must be at least 1, got {days}")
    first = today - timedelta(days=days - 1)
    sold = sum(-m.count for m in movements_between(inventory, first, today) if m.sku == sku and m.is_outgoing())
    return sold / days


def days_of_stock(inventory: Inventory, sku: str, days: int, today: date) -> float:
    rate = average_daily_sales(inventory, sku, days, today)
    return float("inf") if rate == 0 else inventory.stock_of(sku) / rate


def load_items(path: Path) -> list[Item]:
    with path.open(newline="") as file:
        rows = csv.DictReader(file)
        return [Item(r["sku"], r["name"], int(r["price_cents"]), int(r["weight_grams"])) for r in rows]


def save_report(inventory: Inventory, path: Path) -> None:
    report = []
    for sku, item in sorted(inventory.items.items()):
        stock = inventory.stock_of(sku)
        report.append({"sku": sku, "name": item.name, "stock": stock, "value_cents": item.total_price(stock)})
    path.write_text(json.dumps(report, indent=2))


def print_low_stock(inventory: Inventory, least: int) -> None:
    for sku, item in sorted(inventory.items.items()):
        stock = inventory.stock_of(sku)
        if stock < least:
            print(f"{sku:>12}  {item.name:<30} {stock:>6}")


def main() -> None:
    inventory = Inventory()
    inventory.add_item(Item("A-1", "hammer", 1299, 650))
    inventory.add_item(Item("B-2", "box of nails", 399, 500))
    inventory.receive("A-1", 20, date(2024, 1, 2))
    inventory.receive("B-2", 100, date(2024, 1, 2))
    order = inventory.new_order("Example Ltd")
    order.add("A-1", 3)
    order.add("B-2", 10)
    print(f"shipped {inventory.ship(order.number, date(2024, 1, 3))} grams")
    print(f"stock is worth {inventory.value_cents() / 100:.2f}")
    print_low_stock(inventory, 50)


if __name__ == "__main__":
    main()
