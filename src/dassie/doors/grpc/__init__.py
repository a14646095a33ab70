"""The gRPC door: Pachyderm 2.12's services and Dassie's own."""
