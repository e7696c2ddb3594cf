"""Does an endpoint meet what gRPC asks of it: looked at, then judged line by line."""
