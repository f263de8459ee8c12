from tests.simulation.soak import main

main()
