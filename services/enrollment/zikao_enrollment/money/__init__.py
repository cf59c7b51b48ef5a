"""From a wish to pay to the day's sum: between the orders and the payment platform."""
