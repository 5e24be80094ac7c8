import asyncio

from tests.support.scripted_server import main

asyncio.run(main())
