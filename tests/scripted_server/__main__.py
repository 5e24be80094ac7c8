import asyncio

from tests.scripted_server import main

asyncio.run(main())
