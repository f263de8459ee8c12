"""The local exchange: Alpaca's protocol on prices made from bars, one account, no money.

`exchange.Exchange` answers requests in process; `server` puts it on loopback, `stream` tells what happens to orders.
"""
